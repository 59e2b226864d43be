// One authorized request to one resource, and what its handler needs: handed from api.ts to the handlers.
import type { Clock } from "@wherry/core";
import type { KindInfo } from "@wherry/kube";
import { type AdmissionRequest, admissionPlugins, type Lookup } from "./admission/index.ts";
import { isDryRun } from "./query.ts";
import type { Feed } from "./registry/feed.ts";
import type { Registry, WriteOptions } from "./registry/registry.ts";
import type { ResourceRoute } from "./routes.ts";
import type { TokenIssuer } from "./tokens.ts";
import type { ApiRequest, PodLogs } from "./types.ts";
import type { Watches } from "./watch.ts";

/** What all handlers share. */
export interface ApiParts {
  readonly clock: Clock;
  readonly registryOf: (kind: KindInfo) => Registry;
  readonly feedOf: (kind: KindInfo) => Feed;
  readonly watches: Watches;
  readonly lookup: Lookup;
  readonly podLogs: PodLogs;
  readonly tokens: TokenIssuer;
}

export interface Call {
  readonly request: ApiRequest;
  readonly route: ResourceRoute;
  readonly registry: Registry;
  readonly parts: ApiParts;
  /** Sent along with the answer. */
  readonly warnings: string[];
}

export type Verb = "get" | "list" | "watch" | "create" | "update" | "patch" | "delete" | "deletecollection";

/** How a write of this call is admitted. @throws StatusError 400 for a bad `dryRun`. */
export function writeOptions(
  call: Call,
  operation: AdmissionRequest["operation"],
  dryRun: boolean = isDryRun(call.request.query),
): WriteOptions {
  const { route, request, parts, warnings } = call;
  return {
    dryRun,
    admit: (next, current) => {
      const { namespace, subresource } = route;
      const admission: AdmissionRequest = {
        operation,
        kind: route.kind,
        user: request.user,
        next,
        current,
        warnings,
        ...(namespace !== undefined && { namespace }),
        ...(subresource !== undefined && { subresource }),
      };
      for (const plugin of admissionPlugins) plugin(admission, parts.lookup);
    },
  };
}

/** The name in the path of an object's route. */
export const nameOf = (route: ResourceRoute): string => route.name ?? "";
