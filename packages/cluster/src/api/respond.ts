// Results of the registry as responses: stored text as it is where nothing else was asked for.
import type { Presentation } from "./negotiate.ts";
import { negotiate } from "./negotiate.ts";
import type { Call } from "./call.ts";
import { includeObject, presentObject } from "./present.ts";
import type { Item } from "./registry/registry.ts";
import type { StoredObject } from "./registry/objects.ts";
import type { ApiResponse } from "./types.ts";

/** In process nothing is negotiated. @throws StatusError 406. */
export function presentationOf(call: Call): Presentation {
  if (call.request.inProcess === true) return { format: "json", as: "object", metaVersion: "meta.k8s.io/v1" };
  return negotiate(call.request.headers["accept"]);
}

export function respondItem(call: Call, item: Item, status = 200): ApiResponse {
  const presentation = presentationOf(call);
  if (presentation.as !== "object") {
    const include = includeObject(call.request.query);
    const nowMs = call.parts.clock.now();
    return { status, body: { object: presentObject(item.object, presentation, call.route.kind, include, nowMs) } };
  }
  if (call.request.inProcess === true || item.json === undefined) return { status, body: { object: item.object } };
  return { status, body: { json: item.json } };
}

/** An object that is made for the answer and not stored: a Scale, a TokenRequest, a Status. */
export const respondObject = (object: unknown, status = 200): ApiResponse => ({ status, body: { object } });

/** `Status: Success` about an object. */
export function respondSuccess(call: Call, object: StoredObject, status = 200): ApiResponse {
  const { kind } = call.route;
  return respondObject(
    {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Success",
      details: {
        name: object.metadata.name,
        ...(kind.group !== "" && { group: kind.group }),
        kind: kind.plural,
        uid: object.metadata.uid,
      },
    },
    status,
  );
}
