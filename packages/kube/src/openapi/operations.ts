// What can be asked of each kind, as a list of operations that knows nothing yet of OpenAPI's two versions.
import type { KindInfo } from "../schema/kinds.ts";
import type { GroupVersionKind } from "./names.ts";

export type Action = "list" | "get" | "post" | "put" | "patch" | "delete" | "deletecollection";

export interface Operation {
  /** `/api/v1/namespaces/{namespace}/pods/{name}`. */
  readonly path: string;
  readonly method: "get" | "post" | "put" | "patch" | "delete";
  readonly action: Action;
  /** What the operation is about: not the kind of the path for `scale`, `binding` and the like. */
  readonly about: GroupVersionKind;
  readonly operationId: string;
  /** Definition of the body; absent without one. A patch has a body of its own kind. */
  readonly body?: string;
  /** Definition of the answer; `list` answers its list. Empty: plain text. */
  readonly answer: string;
  readonly answersList: boolean;
}

const methods: { readonly [action in Action]: Operation["method"] } = {
  list: "get",
  get: "get",
  post: "post",
  put: "put",
  patch: "patch",
  delete: "delete",
  deletecollection: "delete",
};
const verbs: { readonly [action in Action]: string } = {
  list: "list",
  get: "read",
  post: "create",
  put: "replace",
  patch: "patch",
  delete: "delete",
  deletecollection: "deleteCollection",
};

interface Subresource {
  readonly actions: readonly Action[];
  /** Definition that is read and written; absent: plain text. */
  readonly definition?: string;
  readonly about?: GroupVersionKind;
}

const subresources: { readonly [name: string]: Subresource } = {
  binding: { actions: ["post"], definition: "Binding", about: { group: "", version: "v1", kind: "Binding" } },
  eviction: { actions: ["post"], definition: "Eviction", about: { group: "policy", version: "v1", kind: "Eviction" } },
  log: { actions: ["get"] },
  scale: {
    actions: ["get", "put", "patch"],
    definition: "Scale",
    about: { group: "autoscaling", version: "v1", kind: "Scale" },
  },
  token: {
    actions: ["post"],
    definition: "AuthenticationTokenRequest",
    about: { group: "authentication.k8s.io", version: "v1", kind: "TokenRequest" },
  },
};

const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);
/** `discovery.k8s.io` → `Discovery`; the core group is called `Core`. */
const groupWord = (group: string): string => capital((group === "" ? "core" : group).split(".")[0] ?? "");

export const rootOf = (group: string, version: string): string =>
  group === "" ? `/api/${version}` : `/apis/${group}/${version}`;

function operation(
  kind: KindInfo,
  path: string,
  action: Action,
  more: Partial<Operation> & { suffix?: string },
): Operation {
  const { suffix = "", ...rest } = more;
  const scope = kind.namespaced ? "Namespaced" : "";
  const writes = action === "post" || action === "put";
  return {
    path,
    method: methods[action],
    action,
    about: { group: kind.group, version: kind.version, kind: kind.kind },
    operationId: `${verbs[action]}${groupWord(kind.group)}${capital(kind.version)}${scope}${kind.kind}${suffix}`,
    ...(writes ? { body: kind.definition } : {}),
    ...(methods[action] === "delete" ? { body: "DeleteOptions" } : {}),
    answer: methods[action] === "delete" ? "Status" : kind.definition,
    answersList: action === "list",
    ...rest,
  };
}

function subresourceOperations(kind: KindInfo, name: string, path: string): Operation[] {
  const own: Subresource = {
    actions: name === "finalize" ? ["put"] : ["get", "put", "patch"],
    definition: kind.definition,
  };
  const known = (Object.hasOwn(subresources, name) ? subresources[name] : undefined) ?? own;
  return known.actions.map((action) => {
    const { definition } = known;
    return operation({ ...kind, definition: definition ?? "" }, `${path}/${name}`, action, {
      suffix: capital(name),
      ...(known.about === undefined ? {} : { about: known.about }),
    });
  });
}

export function operationsOf(kind: KindInfo): Operation[] {
  const root = rootOf(kind.group, kind.version);
  const collection = kind.namespaced ? `${root}/namespaces/{namespace}/${kind.plural}` : `${root}/${kind.plural}`;
  const one = `${collection}/{name}`;
  const everywhere = kind.namespaced
    ? [operation(kind, `${root}/${kind.plural}`, "list", { suffix: "ForAllNamespaces" })]
    : [];
  return [
    ...everywhere,
    ...(["list", "post", "deletecollection"] as const).map((action) => operation(kind, collection, action, {})),
    ...(["get", "put", "patch", "delete"] as const).map((action) => operation(kind, one, action, {})),
    ...kind.subresources.flatMap((name) => subresourceOperations(kind, name, one)),
  ];
}
