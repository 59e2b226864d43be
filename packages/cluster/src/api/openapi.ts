// `/openapi/v2` and `/openapi/v3`: the documents of @wherry/kube as they are served, made once. JSON only; clients that ask
// for protobuf fall back (kubectl uses v3, as JSON).
import { createHash } from "node:crypto";
import { notAcceptable, openApiV2, openApiV3, openApiV3Index } from "@wherry/kube";
import { type Document, Documents } from "./documents.ts";
import { parseAccept } from "./negotiate.ts";
import type { ApiResponse } from "./types.ts";

const documents = new Documents((json) => createHash("sha512").update(json).digest("hex").toUpperCase().slice(0, 64));

/** Undefined: no such document. @throws StatusError 406 when only protobuf is accepted. */
export function openApi(
  rest: readonly string[],
  query: URLSearchParams,
  headers: Readonly<Record<string, string | undefined>>,
): ApiResponse | undefined {
  const [version, ...path] = rest;
  const document = documentAt(version, path);
  if (document === undefined) return undefined;
  checkAccept(headers["accept"]);
  const contentType = "application/json";
  const headersOut = { etag: document.etag, vary: "Accept", ...caching(query) };
  if (headers["if-none-match"] === document.etag)
    return { status: 304, headers: headersOut, body: { text: "", contentType } };
  return { status: 200, headers: headersOut, body: { json: document.json } };
}

/** A URL with the document's hash names this text for ever. */
const caching = (query: URLSearchParams): Record<string, string> =>
  query.has("hash")
    ? { "cache-control": "public, immutable, max-age=31536000" }
    : { "cache-control": "no-cache, private" };

function documentAt(version: string | undefined, path: readonly string[]): Document | undefined {
  if (version === "v2" && path.length === 0) return documents.of("v2", openApiV2);
  if (version !== "v3") return undefined;
  if (path.length === 0) return documents.of("v3", openApiV3Index);
  const [root, first = "", second, ...more] = path;
  if (more.length > 0) return undefined;
  if (root === "api" && second === undefined) return groupDocument("", first);
  return root === "apis" && second !== undefined ? groupDocument(first, second) : undefined;
}

function groupDocument(group: string, version: string): Document | undefined {
  const made = openApiV3(group, version);
  return made === undefined ? undefined : documents.of(`v3/${group}/${version}`, () => made);
}

function checkAccept(accept: string | undefined): void {
  const json = parseAccept(accept).some(({ type }) => ["application/json", "*/*", "application/*"].includes(type));
  if (!json) throw notAcceptable(["application/json"]);
}
