// Lists: which snapshot, which page, and the token for the next one (apiserver: storage/continue.go, etcd3/store.go).
import { badRequest, expired, type FieldError, timeout } from "@wherry/kube";
import type { Backend, Entry, Page, ReadFailure, Revision } from "../../store/types.ts";
import { limits } from "../limits.ts";
import type { ObjectCache, StoredObject } from "./objects.ts";

export interface ListQuery {
  readonly matches?: (object: StoredObject) => boolean;
  /** Objects at most; 0 or absent: all. */
  readonly limit?: number;
  readonly continue?: string;
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: string;
}

export interface ListResult {
  readonly entries: readonly Entry[];
  readonly revision: Revision;
  /** Empty on the last page. */
  readonly continue: string;
  readonly remaining?: number;
}

interface Position {
  /** Undefined: the newest. */
  readonly at?: Revision;
  readonly after?: string;
}

/** @throws StatusError 400, 410 Expired, 504 Timeout (a version that is not reached yet). */
export function list(backend: Backend, cache: ObjectCache, prefix: string, query: ListQuery): ListResult {
  const { matches } = query;
  const limit = query.limit ?? 0;
  const start = positionOf(query, prefix, backend.revision);
  if (matches === undefined) {
    const page = readPage(backend, prefix, start, limit, query);
    return result(page, page.entries, page.remaining, limit, prefix, true);
  }
  const found: Entry[] = [];
  let position = start;
  for (;;) {
    const page = readPage(backend, prefix, position, limit === 0 ? 0 : limits.listChunkEntries, query);
    for (const [index, entry] of page.entries.entries()) {
      if (!matches(cache.of(entry))) continue;
      found.push(entry);
      if (found.length < limit || limit === 0) continue;
      const remaining = page.remaining + page.entries.length - index - 1;
      return result(page, found, remaining, limit, prefix, false);
    }
    const last = page.entries.at(-1);
    if (page.remaining === 0 || last === undefined) return result(page, found, 0, limit, prefix, false);
    position = { at: page.revision, after: last.key };
  }
}

function result(
  page: Page,
  entries: readonly Entry[],
  remaining: number,
  limit: number,
  prefix: string,
  counted: boolean,
): ListResult {
  const last = entries.at(-1);
  const more = limit > 0 && remaining > 0 && last !== undefined;
  return {
    entries,
    revision: page.revision,
    continue: more ? writeToken({ at: page.revision, after: last.key }, prefix) : "",
    // With a selector nobody knows how many of the rest match.
    ...(more && counted && { remaining }),
  };
}

function readPage(backend: Backend, prefix: string, position: Position, limit: number, query: ListQuery): Page {
  const page = backend.list(
    { prefix },
    {
      ...(position.at !== undefined && { at: position.at }),
      ...(position.after !== undefined && { after: position.after }),
      ...(limit > 0 && { limit }),
    },
  );
  if (page.outcome === "page") return page;
  if (page.outcome === "future") throw tooLargeVersion(position.at ?? 0, page.currentRevision);
  if (query.continue === undefined || query.continue === "")
    throw expired("The resourceVersion for the provided list is too old.");
  const { after } = position;
  throw expired(
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without the " +
      "continue parameter, or use the continue token in this response to retrieve the remainder of the results from the " +
      "latest snapshot.",
    writeToken({ ...(after !== undefined && { after }) }, prefix),
  );
}

/** 504 with the cause that makes client-go try again. */
function tooLargeVersion(asked: Revision, current: Revision): Error {
  return timeout(`Too large resource version: ${asked}, current: ${current}`, 1, [
    { reason: "ResourceVersionTooLarge", message: "Too large resource version" },
  ]);
}

/** For reads that give a version: `failure` as the refusal that clients know. */
export function readRefusal(failure: ReadFailure, asked: Revision): Error {
  if (failure.outcome === "future") return tooLargeVersion(asked, failure.currentRevision);
  return expired(`too old resource version: ${asked} (${failure.compactRevision})`);
}

function positionOf(query: ListQuery, prefix: string, current: Revision): Position {
  const version = parseRevision(query.resourceVersion);
  const match = query.resourceVersionMatch;
  if (query.continue !== undefined && query.continue !== "") {
    if (version !== undefined && version !== 0)
      throw badRequest("specifying resource version is not allowed when using continue");
    return readToken(query.continue, prefix);
  }
  // The table of https://kubernetes.io/docs/reference/using-api/api-concepts/#semantics-for-get-and-list
  if (version === undefined || version === 0) return {};
  const exact = match === "Exact" || (match === undefined && (query.limit ?? 0) > 0);
  if (exact) return { at: version };
  if (version > current) throw tooLargeVersion(version, current);
  return {};
}

/** Undefined when absent or empty. @throws StatusError 400 for anything but a decimal number that fits. */
export function parseRevision(text: string | null | undefined): Revision | undefined {
  if (text === null || text === undefined || text === "") return undefined;
  const revision = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(revision))
    throw badRequest(`invalid resource version ${JSON.stringify(text)}: expected a decimal number below 2^53`);
  return revision;
}

export function checkVersionMatch(query: ListQuery): FieldError | undefined {
  const { resourceVersionMatch: match } = query;
  if (match === undefined || match === "") return undefined;
  const wrong = (message: string): FieldError => ({
    field: "resourceVersionMatch",
    reason: "FieldValueForbidden",
    message: `Forbidden: ${message}`,
  });
  if (query.resourceVersion === undefined || query.resourceVersion === "")
    return wrong("resourceVersionMatch is forbidden unless resourceVersion is provided");
  if (query.continue !== undefined && query.continue !== "")
    return wrong("resourceVersionMatch is forbidden when continue is provided");
  if (match !== "Exact" && match !== "NotOlderThan")
    return {
      field: "resourceVersionMatch",
      reason: "FieldValueNotSupported",
      message: `Unsupported value: ${JSON.stringify(match)}: supported values: "Exact", "NotOlderThan", ""`,
    };
  if (match === "Exact" && query.resourceVersion === "0")
    return wrong('resourceVersionMatch "exact" is forbidden for resourceVersion "0"');
  return undefined;
}

/** Keys in tokens are relative to the list's prefix, so that a token can't reach outside of it. */
function writeToken(position: Position, prefix: string): string {
  const token = { v: 1, rv: position.at ?? 0, after: position.after?.slice(prefix.length) ?? "" };
  return Buffer.from(JSON.stringify(token)).toString("base64url");
}

function readToken(text: string, prefix: string): Position {
  const wrong = (): Error =>
    badRequest("continue key is not valid: expected the token of an earlier page of this list");
  if (text.length > limits.continueLengthMax) throw wrong();
  let token: unknown;
  try {
    token = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
  } catch {
    throw wrong();
  }
  if (typeof token !== "object" || token === null) throw wrong();
  const { v, rv, after } = token as { v?: unknown; rv?: unknown; after?: unknown };
  if (v !== 1 || typeof rv !== "number" || !Number.isSafeInteger(rv) || rv < 0 || typeof after !== "string")
    throw wrong();
  return { ...(rv > 0 && { at: rv }), ...(after !== "" && { after: prefix + after }) };
}
