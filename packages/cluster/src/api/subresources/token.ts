// `serviceaccounts/<name>/token`: a TokenRequest is answered with a token, and nothing is stored
// (k8s: registry/core/serviceaccount/storage/token.go).
import {
  badRequest,
  type FieldError,
  invalid,
  methodNotAllowed,
  notFound,
  resources,
  conflict,
  type AuthenticationTokenRequest,
} from "@wherry/kube";
import { readObject } from "../body.ts";
import { type Call, nameOf, type Verb } from "../call.ts";
import { limits } from "../limits.ts";
import { timestamp } from "../registry/deletion.ts";
import { respondObject } from "../respond.ts";
import type { TokenSubject } from "../tokens.ts";
import type { ApiResponse } from "../types.ts";

const expected = {
  kind: "TokenRequest",
  apiVersion: "authentication.k8s.io/v1",
  definition: "AuthenticationTokenRequest",
};

export async function handleToken(call: Call, verb: Verb): Promise<ApiResponse> {
  const { route, registry, request, parts, warnings } = call;
  if (verb !== "create") throw methodNotAllowed(route.kind, verb);
  const asked = readObject(request, expected, warnings) as unknown as AuthenticationTokenRequest;
  const { object: account } = registry.get(route.namespace, nameOf(route));
  const seconds = secondsOf(asked);
  const pod = boundPod(call, asked);
  const subject: TokenSubject = {
    namespace: route.namespace ?? "",
    account: { name: account.metadata.name, uid: account.metadata.uid },
    ...(pod !== undefined && { pod }),
  };
  const audiences = asked.spec?.audiences ?? [];
  const { token, expiresMs } = await parts.tokens.issue(subject, audiences, seconds);
  return respondObject(
    {
      kind: expected.kind,
      apiVersion: expected.apiVersion,
      metadata: {
        name: account.metadata.name,
        namespace: route.namespace,
        creationTimestamp: timestamp(parts.clock.now()),
      },
      spec: {
        ...asked.spec,
        audiences: audiences.length === 0 ? [parts.tokens.issuer] : audiences,
        expirationSeconds: seconds,
      },
      status: { token, expirationTimestamp: timestamp(expiresMs) },
    },
    201,
  );
}

function secondsOf({ spec }: AuthenticationTokenRequest): number {
  const seconds = spec?.expirationSeconds ?? limits.tokenSecondsDefault;
  const wrong = (message: string): Error => {
    const error: FieldError = { field: "spec.expirationSeconds", reason: "FieldValueInvalid", message };
    return invalid({ group: "authentication.k8s.io", kind: expected.kind }, "", [error]);
  };
  if (seconds < limits.tokenSecondsMin)
    throw wrong(`Invalid value: ${seconds}: may not specify a duration less than 10 minutes`);
  if (seconds > limits.tokenSecondsMax)
    throw wrong(`Invalid value: ${seconds}: may not specify a duration larger than 2^32 seconds`);
  return seconds;
}

function boundPod({ route, parts }: Call, { spec }: AuthenticationTokenRequest): TokenSubject["pod"] {
  const reference = spec?.boundObjectRef;
  if (reference === undefined) return undefined;
  const { kind, name = "", uid } = reference;
  if (kind !== "Pod") throw badRequest(`spec.boundObjectRef.kind: expected Pod, got ${JSON.stringify(kind ?? "")}`);
  const pod = parts.lookup.find("pods", route.namespace, name);
  if (pod === undefined) throw notFound(resources.pods, name);
  if (uid !== undefined && uid !== "" && uid !== pod.metadata.uid)
    throw conflict(
      resources.pods,
      name,
      `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  return { name, uid: pod.metadata.uid };
}
