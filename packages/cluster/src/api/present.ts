// The answer in the form that the client asked for: as stored, as metadata alone, or as rows of a table
// (https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables).
import { badRequest, type KindInfo, tableColumns, tableRow, tableRowConditions } from "@wherry/kube";
import type { Presentation } from "./negotiate.ts";
import type { StoredObject } from "./registry/objects.ts";
import type { ApiWatchEvent } from "./types.ts";
import { encoded } from "./watch.ts";

export interface ListMetadata {
  readonly resourceVersion: string;
  readonly continue?: string;
  readonly remainingItemCount?: number;
}

export type IncludeObject = "None" | "Metadata" | "Object";

/** @throws StatusError 400. */
export function includeObject(query: URLSearchParams): IncludeObject {
  const text = query.get("includeObject") ?? "";
  if (text === "") return "Metadata";
  if (text === "None" || text === "Metadata" || text === "Object") return text;
  throw badRequest(`includeObject: expected "None", "Metadata" or "Object", got ${JSON.stringify(text.slice(0, 64))}`);
}

/** Lets `kubectl get` tell finished pods from running ones. */
function conditionsOf(kind: KindInfo, object: StoredObject): object {
  const conditions = tableRowConditions(kind, object);
  return conditions.length === 0 ? {} : { conditions };
}

const metadataOf = (object: StoredObject, apiVersion: string): object => ({
  kind: "PartialObjectMetadata",
  apiVersion,
  metadata: object.metadata,
});

export function presentList(
  objects: readonly StoredObject[],
  metadata: ListMetadata,
  { as, metaVersion }: Presentation,
  kind: KindInfo,
  include: IncludeObject,
  nowMs: number,
): object {
  if (as === "metadata")
    return {
      kind: "PartialObjectMetadataList",
      apiVersion: metaVersion,
      metadata,
      items: objects.map((object) => metadataOf(object, metaVersion)),
    };
  return tableOf(objects, metadata, kind, metaVersion, include, nowMs, true);
}

export function presentObject(
  object: StoredObject,
  { as, metaVersion }: Presentation,
  kind: KindInfo,
  include: IncludeObject,
  nowMs: number,
): object {
  if (as === "metadata") return metadataOf(object, metaVersion);
  const { resourceVersion } = object.metadata;
  return tableOf([object], { resourceVersion }, kind, metaVersion, include, nowMs, true);
}

function tableOf(
  objects: readonly StoredObject[],
  metadata: ListMetadata,
  kind: KindInfo,
  metaVersion: string,
  include: IncludeObject,
  nowMs: number,
  columns: boolean,
): object {
  return {
    kind: "Table",
    apiVersion: metaVersion,
    metadata,
    columnDefinitions: columns ? tableColumns(kind) : [],
    rows: objects.map((object) => ({
      cells: tableRow(kind, object, nowMs),
      ...conditionsOf(kind, object),
      ...(include !== "None" && { object: include === "Object" ? object : metadataOf(object, metaVersion) }),
    })),
  };
}

/** Watch events in the form asked for; the columns come with the first event only. */
export async function* presentEvents(
  events: AsyncIterable<readonly ApiWatchEvent[]>,
  presentation: Presentation,
  kind: KindInfo,
  include: IncludeObject,
  now: () => number,
): AsyncGenerator<readonly ApiWatchEvent[]> {
  let first = true;
  const present = (event: ApiWatchEvent): ApiWatchEvent => {
    if (event.type === "ERROR") return event;
    const object = event.object as StoredObject;
    if (presentation.as === "metadata") return encoded(event.type, metadataOf(object, presentation.metaVersion));
    const rows = event.type === "BOOKMARK" ? [] : [object];
    const { resourceVersion, annotations } = object.metadata;
    const metadata = {
      resourceVersion,
      ...(event.type === "BOOKMARK" && annotations !== undefined && { annotations }),
    };
    const table = tableOf(rows, metadata, kind, presentation.metaVersion, include, now(), first);
    first = false;
    return encoded(event.type, table);
  };
  for await (const batch of events) yield batch.map(present);
}
