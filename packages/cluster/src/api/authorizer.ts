// May this user do that? RBAC's kinds come later; until then three rules that are all in this file.
import type { User } from "./types.ts";

export interface Attributes {
  readonly user: User;
  /** `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`. */
  readonly verb: string;
  /** Undefined for a path that is no resource. */
  readonly resource?: {
    readonly group: string;
    readonly plural: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
  };
  /** For a path that is no resource: `/metrics`. */
  readonly path: string;
}

export interface Authorizer {
  allows(attributes: Attributes): boolean;
}

/** In-process components, by name. Nobody can authenticate as one of these over the network. */
const components = new Set(["system:apiserver", "system:kube-controller-manager", "system:kube-scheduler"]);

const readVerbs = new Set(["get", "list", "watch"]);
const podReadable = new Set(["/endpoints", "/pods", "/services", "discovery.k8s.io/endpointslices"]);
/** ClusterRoles system:public-info-viewer (here for nobody without a token) and system:discovery. */
const healthPaths = /^\/(?:healthz|livez|readyz|version)(?:\/|$)/;
const discoveryPaths = /^\/(?:|api(?:\/.*)?|apis(?:\/.*)?|openapi(?:\/.*)?|openid\/.*|\.well-known\/.*)$/;

export const builtInAuthorizer: Authorizer = {
  allows({ user, verb, resource, path }) {
    if (user.groups.includes("system:masters") || components.has(user.name) || user.groups.includes("system:nodes"))
      return true;
    if (resource === undefined) {
      if (verb !== "get") return false;
      return user.groups.includes("system:authenticated") && (healthPaths.test(path) || discoveryPaths.test(path));
    }
    // A pod sees where the Services of its own namespace are, and nothing else.
    const namespace = serviceAccountNamespace(user);
    if (namespace === undefined || resource.namespace !== namespace || resource.subresource !== undefined) return false;
    return readVerbs.has(verb) && podReadable.has(`${resource.group}/${resource.plural}`);
  },
};

function serviceAccountNamespace(user: User): string | undefined {
  if (!user.groups.includes("system:serviceaccounts")) return undefined;
  return /^system:serviceaccount:([^:]+):[^:]+$/.exec(user.name)?.[1];
}

/** Kubernetes' words for a refusal, after `… is forbidden: `. */
export function refusalText({ user, verb, resource, path }: Attributes): string {
  const who = `User ${JSON.stringify(user.name)} cannot ${verb}`;
  if (resource === undefined) return `${who} path ${JSON.stringify(path)}`;
  const name = resource.subresource === undefined ? resource.plural : `${resource.plural}/${resource.subresource}`;
  const where =
    resource.namespace === undefined
      ? "at the cluster scope"
      : `in the namespace ${JSON.stringify(resource.namespace)}`;
  return `${who} resource ${JSON.stringify(name)} in API group ${JSON.stringify(resource.group)} ${where}`;
}
