// Questions about oneself, `kubectl auth can-i` and `whoami`: posted, answered by the authorizer and by who asks, never stored.
// (authorization.k8s.io/v1 and authentication.k8s.io/v1; kubernetes: ClusterRole system:basic-user lets everyone ask)
import {
  badRequest,
  type FieldError,
  forbidden,
  invalid,
  kinds,
  makeStatus,
  notAcceptable,
  StatusError,
} from "@wherry/kube";
import { type Attributes, type Authorizer, refusalText } from "./authorizer.ts";
import { readBody } from "./body.ts";
import { bodyFormat, negotiate } from "./negotiate.ts";
import { decodeReview } from "./protobuf/reviews.ts";
import { respondObject } from "./respond.ts";
import type { ApiRequest, ApiResponse, User } from "./types.ts";

export interface ReviewKind {
  readonly group: string;
  readonly version: "v1";
  readonly kind: "SelfSubjectAccessReview" | "SelfSubjectReview" | "SelfSubjectRulesReview";
  readonly plural: string;
}

const authorization = "authorization.k8s.io";

export const reviewKinds: readonly ReviewKind[] = [
  { group: authorization, version: "v1", kind: "SelfSubjectAccessReview", plural: "selfsubjectaccessreviews" },
  { group: authorization, version: "v1", kind: "SelfSubjectRulesReview", plural: "selfsubjectrulesreviews" },
  { group: "authentication.k8s.io", version: "v1", kind: "SelfSubjectReview", plural: "selfsubjectreviews" },
];

/** Undefined: the path names no review. */
export const reviewAt = (path: readonly string[]): ReviewKind | undefined =>
  path.length === 4 && path[0] === "apis"
    ? reviewKinds.find(({ group, version, plural }) => group === path[1] && version === path[2] && plural === path[3])
    : undefined;

type Spec = Readonly<Record<string, unknown>>;

/** @throws StatusError 400, 403, 405, 406, 415, 422 */
export function answerReview(review: ReviewKind, request: ApiRequest, authorizer: Authorizer): ApiResponse {
  const { user, method } = request;
  const verb = method === "POST" ? "create" : method.toLowerCase();
  if (!user.groups.includes("system:authenticated") && !user.groups.includes("system:masters"))
    throw forbidden(review, "", refusalText({ user, verb, resource: review, path: "" }));
  if (verb !== "create")
    throw new StatusError(makeStatus(405, "MethodNotAllowed", `${method} is not supported on ${review.plural}`, {}));
  if (request.inProcess !== true && negotiate(request.headers["accept"]).as !== "object")
    throw notAcceptable(["application/json", "application/yaml"]);
  const asked = readSpec(review, request);
  const apiVersion = `${review.group}/${review.version}`;
  return respondObject(
    {
      kind: review.kind,
      apiVersion,
      metadata: {},
      ...(review.kind !== "SelfSubjectReview" && { spec: asked }),
      status: statusOf(review, asked, user, authorizer),
    },
    201,
  );
}

function readSpec(review: ReviewKind, request: ApiRequest): Spec {
  const { body, headers } = request;
  const protobuf = body !== undefined && "bytes" in body && bodyFormat(headers["content-type"]) === "protobuf";
  const value = protobuf ? decodeReview(body.bytes, review.kind) : (readBody(request, review.kind)?.value ?? {});
  if (!isObject(value)) throw badRequest(`expected a ${review.kind} in the body`);
  const { kind = review.kind, apiVersion = `${review.group}/${review.version}`, spec = {} } = value;
  if (kind !== review.kind || apiVersion !== `${review.group}/${review.version}`)
    throw badRequest(`expected a ${review.kind} of ${review.group}/${review.version} in the body`);
  if (!isObject(spec)) throw badRequest("spec: expected an object");
  return spec;
}

function statusOf(review: ReviewKind, spec: Spec, user: User, authorizer: Authorizer): object {
  if (review.kind === "SelfSubjectReview")
    return {
      userInfo: { username: user.name, ...(user.uid !== undefined && { uid: user.uid }), groups: user.groups },
    };
  if (review.kind === "SelfSubjectAccessReview")
    return { allowed: authorizer.allows(attributesOf(review, spec, user)) };
  return { ...rulesOf(textOf(spec["namespace"]), user, authorizer), incomplete: false };
}

function attributesOf(review: ReviewKind, spec: Spec, user: User): Attributes {
  const { resourceAttributes: resource, nonResourceAttributes: path } = spec;
  if (isObject(resource) === isObject(path)) {
    const message = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
    const error: FieldError = { field: "spec.resourceAttributes", reason: "FieldValueInvalid", message };
    throw invalid(review, "", [error]);
  }
  if (!isObject(resource)) {
    const asked = isObject(path) ? path : {};
    return { user, verb: textOf(asked["verb"]) ?? "", path: textOf(asked["path"]) ?? "" };
  }
  const [subresource, namespace, name] = ["subresource", "namespace", "name"].map((field) => textOf(resource[field]));
  return {
    user,
    verb: textOf(resource["verb"]) ?? "",
    path: "",
    resource: {
      group: textOf(resource["group"]) ?? "",
      plural: textOf(resource["resource"]) ?? "",
      ...(subresource !== undefined && { subresource }),
      ...(namespace !== undefined && { namespace }),
      ...(name !== undefined && { name }),
    },
  };
}

const verbs = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];
const paths = ["/api", "/apis", "/healthz", "/livez", "/metrics", "/openapi", "/readyz", "/version"];

/** What the authorizer says to every question there is. */
function rulesOf(namespace: string | undefined, user: User, authorizer: Authorizer): object {
  const resourceRules = kinds.map(({ group, plural }) => {
    const resource = { group, plural, ...(namespace !== undefined && { namespace }) };
    const allowed = verbs.filter((verb) => authorizer.allows({ user, verb, resource, path: "" }));
    return { verbs: allowed, apiGroups: [group], resources: [plural] };
  });
  const urls = paths.filter((path) => authorizer.allows({ user, verb: "get", path }));
  return {
    resourceRules: [
      ...resourceRules.filter((rule) => rule.verbs.length > 0),
      ...reviewKinds.map(({ group, plural }) => ({ verbs: ["create"], apiGroups: [group], resources: [plural] })),
    ],
    nonResourceRules: urls.length === 0 ? [] : [{ verbs: ["get"], nonResourceURLs: urls }],
  };
}

const isObject = (value: unknown): value is Spec =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const textOf = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);
