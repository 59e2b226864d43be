// A service's error for people: code and message, what to do where keys are the reason, and below it the details, each in a line of its
// own as JSON, or in several where it is long. Pure.
import type { ServiceError } from "@wherry/service";
import { keyHint } from "./curve.ts";
import { cliLimits } from "./limits.ts";

type Told = Pick<ServiceError, "code" | "message" | "details">;

/**
 * @param hint what to do, where keys are not the reason
 * @example
 * SOLD_OUT: expected 5 in stock, found 2
 *   left: 2
 */
export function errorText(error: Told, hint = ""): string {
  return [`${error.code}: ${error.message}${keyHint(error.message) || hint}`, ...detailLines(error)].join("\n");
}

/** Indented; none where the message has said it all. */
export function detailLines({ message, details }: Told): string[] {
  const entries = Object.entries(details).filter(([name, value]) => !isSaid(name, value, message));
  const lines = entries.flatMap(([name, value]) => {
    const line = JSON.stringify(value);
    return `  ${name}: ${line.length > cliLimits.detailCharsMax ? JSON.stringify(value, null, 2) : line}`.split("\n");
  });
  const more = lines.length - cliLimits.detailLinesMax;
  if (more <= 0) return lines;
  return [...lines.slice(0, cliLimits.detailLinesMax), `  … and ${more} lines more`];
}

/** Nothing, or what the framework says in the message as well: what a schema found, and that no pod took the call. */
function isSaid(name: string, value: unknown, message: string): boolean {
  if (value === undefined || (name === "attempts" && value === 0)) return true;
  if (name !== "issues" || !Array.isArray(value)) return false;
  const texts = value.map((issue: { readonly message?: unknown } | null) => issue?.message);
  return texts.every((text) => typeof text === "string" && message.includes(text));
}
