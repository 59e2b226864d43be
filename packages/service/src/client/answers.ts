// What a service says, taken apart: WELCOME's facts, a REPLY's value, an ERROR's error. It believes nothing about their form.
import { fateOf, ServiceError } from "../errors.ts";
import { type Codec, decodeContent } from "../protocol/content.ts";
import type { Decoded } from "../protocol/frames.ts";

interface Facts {
  readonly pod: string | undefined;
  readonly idempotent: readonly string[];
  readonly keyed: readonly string[];
}

/** What the WELCOME's body says; a body that says nothing promises nothing. */
export function factsOf(content: Decoded["header"]["content"], body: Uint8Array | undefined): Facts {
  const names = (value: unknown): string[] =>
    Array.isArray(value) ? value.filter((name): name is string => typeof name === "string") : [];
  const value = parsed(content, body);
  return {
    pod: typeof value["pod"] === "string" ? value["pod"] : undefined,
    idempotent: names(value["idempotent"]),
    keyed: names(value["keyed"]),
  };
}

/** A body that should be an object; what is none says nothing. */
export function parsed(
  content: Decoded["header"]["content"],
  body: Uint8Array | undefined,
): Readonly<Record<string, unknown>> {
  try {
    const value = decodeContent(content, body);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

export function valueOf(
  header: Decoded["header"],
  body: Uint8Array | undefined,
  codec?: Codec,
): { readonly value: unknown } | ServiceError {
  try {
    return { value: decodeContent(header.content, body, codec) };
  } catch (cause) {
    return new ServiceError("INVALID", "the service's reply cannot be read", { cause });
  }
}

export function errorOf(header: Decoded["header"], body: Uint8Array | undefined): ServiceError {
  const { message, retryable, details } = parsed(header.content, body);
  const [code = "INVALID"] = header.texts;
  const options = {
    fate: fateOf(header.mark),
    retryable: retryable === true,
    ...(header.number === 0 ? {} : { retryAfterMs: header.number }),
    ...(typeof details === "object" && details !== null ? { details: details as Record<string, unknown> } : {}),
  };
  const text = typeof message === "string" ? message : "the service gave no message";
  return /^[A-Z][A-Z0-9_]{0,63}$/.test(code)
    ? new ServiceError(code, text, options)
    : new ServiceError("INVALID", text, options);
}
