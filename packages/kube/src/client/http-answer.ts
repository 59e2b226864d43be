// Reads an HTTP answer: its body within a limit, its JSON, its warnings.
import type { IncomingMessage } from "node:http";
import { asError, WherryError } from "@wherry/core";

/** @throws WherryError `KUBE_ANSWER_TOO_LARGE`; any other error: the connection broke. */
export async function readBody(response: IncomingMessage, bytesMax: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax)
      throw new WherryError(`expected an answer of at most ${bytesMax} bytes, got more: ask for fewer objects`, {
        code: "KUBE_ANSWER_TOO_LARGE",
      });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/**
 * The value; the text itself when the answer is of another type; undefined when there is none.
 * @throws WherryError `KUBE_ANSWER_INVALID` when it says that it is JSON, and is not.
 */
export function readJson(response: IncomingMessage, text: string): unknown {
  if (text === "") return undefined;
  if (!(response.headers["content-type"] ?? "").includes("json")) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new WherryError(`expected JSON from the server, got: ${asError(error).message}`, {
      code: "KUBE_ANSWER_INVALID",
      cause: error,
    });
  }
}

/** The texts of `Warning: 299 - "text"` headers (RFC 7234, 5.5), as Kubernetes sends them. */
export function warningsOf(response: IncomingMessage): { readonly warnings?: readonly string[] } {
  const headers = response.headersDistinct["warning"];
  if (headers === undefined) return {};
  const warnings = headers.flatMap((header) =>
    [...header.matchAll(/299 \S+ "((?:[^"\\]|\\.)*)"/g)].map((match) => (match[1] ?? "").replace(/\\(.)/g, "$1")),
  );
  return { warnings };
}
