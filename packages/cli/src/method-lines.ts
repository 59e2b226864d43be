// A method in a few lines for people: its name, what it takes and gives, what is promised of it, where it is over HTTP, and the errors of
// its contract. Pure. Of a service that is too old to tell one of these, there is no line of it.
import type { MethodDescription, SchemaDescription } from "@wherry/service";
import { schemaText } from "./schema-text.ts";
import { wrap } from "./terminal.ts";

export interface MethodLinesOptions {
  /** Characters that a line may have; beyond, it goes on in the next. */
  readonly columns: number;
  /** The service answers HTTP. */
  readonly http: boolean;
}

/** A name that is longer has a line of its own. */
const nameCharsMax = 24;
/** Of what comes below a method, from where its signature begins. */
const below = "  ";

/**
 * @example
 * buy    { count: number } → number  keyed
 *          http    POST /buy
 *          errors  SOLD_OUT { left: number }, CLOSED_TODAY
 */
export function methodLines(
  methods: Readonly<Record<string, MethodDescription>>,
  { columns, http }: MethodLinesOptions,
): string[] {
  const all = Object.entries(methods).map(([name, method]) => ({ name, method, ...partsOf(method) }));
  const indent = Math.max(0, ...all.map(({ name }) => name.length).filter((chars) => chars <= nameCharsMax)) + 2;
  const room = columns - indent;
  const flagsRoom = Math.max(0, ...all.map(({ flags }) => flags.length)) + 2;
  // Flags stand below each other, but for those of a method whose signature leaves no room for them.
  const shorter = all.map(({ signature }) => signature.length).filter((chars) => chars + flagsRoom <= room);
  const flagsAt = Math.max(0, ...shorter) + 2;
  return all.flatMap(({ name, method, signature, flags }) => {
    const fits = signature.length + 2 <= flagsAt;
    const one = `${fits ? signature.padEnd(flagsAt) : `${signature}  `}${flags}`.trimEnd();
    const head =
      one.length <= room ? [one] : [...signatureLines(method, room), ...(flags === "" ? [] : [below + flags])];
    const more = [
      ...(http && method.http !== undefined ? labelled("http", httpAddresses(method).join(", "), room) : []),
      ...(method.errors === undefined ? [] : labelled("errors", errorTexts(method.errors).join(", "), room)),
    ];
    const lines = [...head, ...more];
    if (name.length > nameCharsMax) return [name, ...lines.map((line) => " ".repeat(indent) + line)];
    return lines.map((line, index) => (index === 0 ? name : "").padEnd(indent) + line);
  });
}

function partsOf(method: MethodDescription): { readonly signature: string; readonly flags: string } {
  const [taken, given] = sidesOf(method);
  const { stream } = method;
  const flags = [
    ...(stream === undefined ? [] : [`stream ${stream}`]),
    ...durableFlag(method),
    ...(["endless", "resumable", "idempotent"] as const).filter((flag) => method[flag] === true),
    ...(method.keyed && method.durable === undefined ? ["keyed"] : []),
    ...(method.trust === "internal" ? ["internal"] : []),
  ];
  return { signature: `${taken} → ${given}`, flags: flags.join(", ") };
}

/** What its caller sends, and what it gets: of a durable method the receipt, whatever its handler returns later. */
function sidesOf({ stream, input, output, durable }: MethodDescription): readonly [string, string] {
  const taken = input === undefined ? "any" : schemaText(input);
  const given = output === undefined ? "any" : schemaText(output);
  const into = stream === "in" || stream === "both" ? `${taken}, …` : taken === "null" ? "nothing" : taken;
  const out = stream === "out" || stream === "both" ? `${given}, …` : given;
  return [into, durable === undefined ? out : "{ id: string, duplicate: boolean }"];
}

function signatureLines(method: MethodDescription, room: number): string[] {
  const [taken, given] = sidesOf(method);
  return [taken, `→ ${given}`].flatMap((side) => wrap(side, room, "    "));
}

const labelled = (label: string, text: string, room: number): string[] =>
  wrap(`${below}${label.padEnd(8)}${text}`, room, below + " ".repeat(8));

/** With what of the argument goes into the query: `GET /stock/{item}?at=…`. */
function httpAddresses({ http = [], input }: MethodDescription): string[] {
  const properties = Object.keys(input?.schema["properties"] ?? {});
  return http.map((address) => {
    if (!/^(GET|DELETE) /.test(address)) return address;
    const rest = properties.filter((name) => !address.includes(`{${name}}`)).map((name) => `${name}=…`);
    return rest.length === 0 ? address : `${address}?${rest.join("&")}`;
  });
}

function errorTexts(errors: Readonly<Record<string, SchemaDescription | null>>): string[] {
  return Object.entries(errors).map(([code, details]) => (details === null ? code : `${code} ${schemaText(details)}`));
}

/** `durable (nats, 5 redeliveries)`; it is always keyed. */
function durableFlag({ durable }: MethodDescription): string[] {
  if (durable === undefined) return [];
  const { broker, redeliveriesMax } = durable;
  const redeliveries = `${redeliveriesMax} ${redeliveriesMax === 1 ? "redelivery" : "redeliveries"}`;
  return [`durable (${broker === undefined ? "" : `${broker}, `}${redeliveries})`];
}
