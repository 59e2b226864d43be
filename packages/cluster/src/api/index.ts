// The Kubernetes API server: `createApi`, its HTTPS listener, and the transport for components in this process.
export { type Api, type ApiOptions, createApi } from "./api.ts";
export { type Authenticator, type AuthenticatorOptions, admin, createAuthenticator } from "./authenticator.ts";
export { anonymous, type Attributes, type Authorizer, builtInAuthorizer } from "./authorizer.ts";
export { type BootstrapOptions, bootstrapObjects, keepBootstrapObjects, systemNamespaces } from "./bootstrap.ts";
export type { HealthCheck } from "./health.ts";
export { localTransport } from "./local.ts";
export { createTokens, type IssuedToken, type TokenIssuer, type TokenOptions, type TokenSubject } from "./tokens.ts";
export { type Listener, listen, type ListenOptions } from "./server/listen.ts";
export type * from "./types.ts";
