// A service's error for people: code and message, what to do where keys are the reason, and below it the details, each in a line of its
// own as JSON, or in several where it is long. Pure.
import type { ServiceError } from "@wherry/service";
import { keyHint } from "./curve.ts";
import { cliLimits } from "./limits.ts";

type Told = Pick<ServiceError, "code" | "message" | "details">;

/**
 * @example
 * SOLD_OUT: expected 5 in stock, found 2
 *   left: 2
 */
export function errorText(error: Told): string {
  return [`${error.code}: ${error.message}${keyHint(error.message)}`, ...detailLines(error)].join("\n");
}

/** Indented; none where the message has said it all. */
export function detailLines({ message, details }: Told): string[] {
  const entries = Object.entries(details).filter(
    ([name, value]) => value !== undefined && (name !== "issues" || !isSaid(value, message)),
  );
  const lines = entries.flatMap(([name, value]) => {
    const line = JSON.stringify(value);
    return `  ${name}: ${line.length > cliLimits.detailCharsMax ? JSON.stringify(value, null, 2) : line}`.split("\n");
  });
  const more = lines.length - cliLimits.detailLinesMax;
  if (more <= 0) return lines;
  return [...lines.slice(0, cliLimits.detailLinesMax), `  … and ${more} lines more`];
}

/** The framework puts what a schema found into the message as well. */
function isSaid(issues: unknown, message: string): boolean {
  const texts = Array.isArray(issues)
    ? issues.map((issue: { message?: unknown } | null) => issue?.message)
    : [undefined];
  return texts.every((text) => typeof text === "string" && message.includes(text));
}
