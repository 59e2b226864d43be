// `/healthz`, `/livez`, `/readyz`, with `?verbose` and named checks (k8s.io/apiserver pkg/server/healthz).
import { unknownPath } from "@wherry/kube";
import { flag } from "./query.ts";
import type { ApiResponse } from "./types.ts";

export interface HealthCheck {
  readonly name: string;
  /** What is wrong; undefined: nothing. */
  readonly problem: () => string | undefined;
}

/** @throws StatusError 404 for a check that there is none of. */
export function health(
  root: string,
  rest: readonly string[],
  checks: readonly HealthCheck[],
  query: URLSearchParams,
): ApiResponse {
  const excluded = new Set(query.getAll("exclude"));
  const [name] = rest;
  const asked = checks.filter((check) => (name === undefined ? !excluded.has(check.name) : check.name === name));
  if (rest.length > 1 || (name !== undefined && asked.length === 0)) throw unknownPath();
  const failed = asked.some(({ problem }) => problem() !== undefined);
  // Details are told, but never why: anybody may ask.
  const lines = asked.map((check) =>
    check.problem() === undefined ? `[+]${check.name} ok\n` : `[-]${check.name} failed: reason withheld\n`,
  );
  const verbose = `${lines.join("")}${root} check ${failed ? "failed" : "passed"}\n`;
  const text = failed || flag(query, "verbose") || query.get("verbose") === "" ? verbose : "ok";
  return { status: failed ? 500 : 200, body: { text, contentType: "text/plain; charset=utf-8" } };
}
