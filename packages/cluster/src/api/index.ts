// The Kubernetes API server: `createApi`, its HTTPS listener, and the transport for components in this process.
export { type Api, createApi } from "./api.ts";
export { admin, createAuthenticator } from "./authenticator.ts";
export { bootstrapObjects, keepBootstrapObjects } from "./bootstrap.ts";
export { type Listener, listen } from "./server/listen.ts";
export { localTransport } from "./local.ts";
export { createTokens } from "./tokens.ts";
export type { PodLogs, User } from "./types.ts";
