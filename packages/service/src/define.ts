// From what a user writes to a `Service`: `method` and `service`, defaults filled in, and whatever can't be meant told at once. Nothing
// runs here.
import { nearest, WherryError } from "@wherry/core";
import { type Contract, type ContractHandlers, type ContractMethods, type ContractTopics, noBody } from "./contract.ts";
import type { ErrorContracts } from "./method-errors.ts";
import { checkRoutes } from "./http/route.ts";
import {
  maxRunMsDefault,
  redeliveriesMax as mostRedeliveries,
  queueRequestsMaxDefault,
  redeliveriesMaxDefault,
  streamsMaxDefault,
  textBytesMax,
} from "./limits.ts";
import { codePattern, frameworkCodes } from "./protocol/codes.ts";
import type { Schema } from "./schema.ts";
import type { AnyMethod, Method, Methods, Service, ServiceDefinition, ServiceOptions } from "./service.ts";
import type { AnyMethodDefinition, Durable, DurableOptions, MethodDefinition } from "./method.ts";
import type { AnyStreamDefinition, BothDefinition, InDefinition, OutDefinition } from "./stream/types.ts";
import type { Topics } from "./topic.ts";

type AnyHandler = (input: never, context: never) => unknown;
type HandlerOfContract = AnyHandler | (Pick<MethodDefinition, "trust"> & { readonly handler: AnyHandler });

/**
 * Gives a method with a schema its body's type: `method({ input: schema, handler: (body) => … })`; with `stream`, a stream its items':
 * `method({ stream: "out", async *handler({ from }: { from: number }) { yield from; } })`.
 */
export function method<Input, Output, Sent = Input, Got = Awaited<Output>>(
  definition: MethodDefinition<Input, Output, Sent, Got> & Durable,
): MethodDefinition<NoInfer<Input>, NoInfer<Output>, NoInfer<Sent>, NoInfer<Got>> & Durable;
export function method<Input, Output, Sent = Input, Got = Awaited<Output>>(
  definition: MethodDefinition<Input, Output, Sent, Got>,
): MethodDefinition<NoInfer<Input>, NoInfer<Output>, NoInfer<Sent>, NoInfer<Got>>;
export function method<Input, Item, Reply, Sent = Input, Got = Item>(
  definition: OutDefinition<Input, Item, Reply, Sent, Got>,
): OutDefinition<Input, Item, Reply, NoInfer<Sent>, NoInfer<Got>>;
export function method<Item, Reply, Sent = Item, Got = Awaited<Reply>>(
  definition: InDefinition<Item, Reply, Sent, Got>,
): InDefinition<Item, Reply, NoInfer<Sent>, NoInfer<Got>>;
export function method<ItemIn, ItemOut, Reply, Sent = ItemIn, Got = ItemOut>(
  definition: BothDefinition<ItemIn, ItemOut, Reply, Sent, Got>,
): BothDefinition<ItemIn, ItemOut, Reply, NoInfer<Sent>, NoInfer<Got>>;
export function method(definition: unknown): unknown {
  return definition;
}

/**
 * Defines a service: by a name and its methods, or by a contract and a handler for each of its methods.
 * @param name as in DNS: lower case letters, digits and `-`, at most 63.
 * @throws WherryError SERVICE_DEFINITION_INVALID
 * @example service("echo", { methods: { echo: (body: unknown) => body }, raw: (frames) => frames })
 * @example service(shop, { buy: ({ count }) => (left -= count), stock: () => left })
 */
// eslint-disable-next-line @typescript-eslint/no-generated-empty-object-type -- a service without topics has none to subscribe to
export function service<const M extends Methods, const T extends Topics = Record<never, never>>(
  name: string,
  definition: ServiceDefinition<M, T>,
): Service<M, T>;
export function service<const C extends Contract>(
  contract: C,
  handlers: ContractHandlers<C>,
  options?: ServiceOptions,
): Service<ContractMethods<C>, ContractTopics<C>>;
export function service(
  what: string | Contract,
  given: ServiceDefinition | Readonly<Record<string, HandlerOfContract>>,
  options: ServiceOptions = {},
): Service {
  try {
    return typeof what === "string"
      ? define(what, given, {})
      : defineByContract(what, given as Readonly<Record<string, HandlerOfContract>>, options);
  } catch (error) {
    // Whose mistake it is, comes first: the line that defines the service.
    if (error instanceof Error) Error.captureStackTrace(error, service);
    throw error;
  }
}

/** @throws WherryError SERVICE_DEFINITION_INVALID */
function defineByContract(
  what: Contract,
  handlers: Readonly<Record<string, HandlerOfContract>>,
  options: ServiceOptions,
): Service {
  const { name, version = "", topics = {} } = what;
  const [expected, got] = [Object.keys(what.methods), Object.keys(handlers)];
  const missing = expected.filter((key) => !got.includes(key));
  const extra = got.filter((key) => !expected.includes(key));
  check(missing.length === 0, "handlers", "one for each method of the contract", `none for ${missing.join(", ")}`);
  check(extra.length === 0, "handlers", "none but the contract's methods", extra.join(", "));
  const methods = Object.entries(what.methods).map(([key, agreed]) => {
    const handler = handlers[key];
    const side = typeof handler === "function" ? { handler } : handler;
    return [key, { ...agreed, ...side, input: agreed.input ?? noBody, output: agreed.output }] as const;
  });
  const errors = Object.entries(what.methods).map(([key, method]) => [key, method.errors ?? {}] as const);
  const { codec } = what;
  const definition = {
    ...(codec === undefined ? {} : { codec }),
    ...options,
    version,
    topics,
    methods: Object.fromEntries(methods) as Methods,
  };
  return define(name, definition, Object.fromEntries(errors));
}

/** What a definition may have; the compiler keeps both lists whole. */
const serviceKeys = Object.keys({
  ...{ methods: 1, topics: 1, version: 1, raw: 1, concurrency: 1, queueMax: 1, streamsMax: 1 },
  ...{ authorize: 1, codec: 1, use: 1, dedupe: 1, ambient: 1 },
} satisfies Record<keyof ServiceDefinition, 1>);
const methodKeys = Object.keys({
  ...{ handler: 1, input: 1, output: 1, errors: 1, trust: 1, idempotent: 1, keyed: 1, durable: 1 },
  ...{ http: 1, stream: 1, endless: 1, resumable: 1 },
} satisfies Record<keyof AnyMethodDefinition | keyof AnyStreamDefinition | "errors", 1>);

/** A mistyped option must not be one that was left out: plain JavaScript has no compiler that tells. */
function checkKeys(given: object, known: readonly string[], at: string): void {
  const unknown = Object.keys(given).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  const hint = nearest(unknown, known) || `; there are: ${known.join(", ")}`;
  throw new WherryError(`service ${at}${unknown}: there is no such option${hint}`, {
    code: "SERVICE_DEFINITION_INVALID",
    details: { field: `${at}${unknown}` },
  });
}

/** @throws WherryError SERVICE_DEFINITION_INVALID */
function define(
  name: string,
  definition: ServiceDefinition,
  errors: Readonly<Record<string, ErrorContracts>>,
): Service {
  check(
    /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name),
    "name",
    "a DNS label, lower case letters, digits and `-`, such as `echo`",
    name,
  );
  checkKeys(definition, serviceKeys, "");
  const {
    concurrency = 1,
    queueMax = queueRequestsMaxDefault,
    version = "",
    raw,
    streamsMax = streamsMaxDefault,
    codec,
    authorize,
    use = [],
    dedupe,
    ambient = true,
  } = definition;
  check(Number.isInteger(concurrency) && concurrency >= 1, "concurrency", "a whole number of at least 1", concurrency);
  check(Number.isInteger(queueMax) && queueMax >= 1, "queueMax", "a whole number of at least 1", queueMax);
  check(Number.isInteger(streamsMax) && streamsMax >= 1, "streamsMax", "a whole number of at least 1", streamsMax);
  check(Buffer.byteLength(version) <= textBytesMax, "version", `at most ${textBytesMax} bytes`, version);
  check(
    codec === undefined || /^[A-Za-z0-9._-]{1,64}$/.test(codec.name),
    "codec.name",
    "1 to 64 of letters, digits, `.`, `_` and `-`",
    codec?.name,
  );
  const methods = new Map(
    Object.entries(definition.methods ?? {}).map(([key, value]) => [key, toMethod(key, value, errors[key] ?? {})]),
  );
  const routing = checkRoutes(methods.values());
  check(routing === undefined, `methods.${routing?.method}.http`, routing?.expected ?? "", routing?.got);
  check(methods.size > 0 || raw !== undefined, "methods", "at least one method, or `raw`", "none");
  const topics = new Map(Object.entries(definition.topics ?? {}).map(([key, value]) => [key, toTopic(key, value)]));
  return {
    name,
    version,
    methods,
    topics,
    raw,
    concurrency,
    queueMax,
    streamsMax,
    codec,
    authorize,
    use,
    dedupe,
    ambient,
  };
}

function toTopic(name: string, schema: Schema): Schema {
  check(namePattern.test(name), "topics", "a name of letters, digits, `_`, `-` and `.`", name);
  check(
    typeof (schema as Partial<Schema> | undefined)?.["~standard"] === "object",
    `topics.${name}`,
    "a schema, or `unchecked()`",
    typeof schema,
  );
  return schema;
}

/** Of methods and topics. What begins with `$` is the framework's own. */
const namePattern = /^[A-Za-z_][A-Za-z0-9_.-]{0,99}$/;

function toMethod(name: string, value: AnyMethod, errors: ErrorContracts): Method {
  check(namePattern.test(name), "methods", "a name of letters, digits, `_`, `-` and `.`", name);
  const definition: AnyMethodDefinition | AnyStreamDefinition =
    typeof value === "function" ? { handler: value } : value;
  const { stream } = definition;
  const kinds: readonly unknown[] = ["out", "in", "both", undefined];
  check(kinds.includes(stream), `methods.${name}.stream`, "`out`, `in` or `both`", stream);
  // Of an object its keys: they show the one that is missing, or misspelt.
  const got = typeof value === "object" ? Object.keys(value) : typeof value;
  check(
    typeof definition.handler === "function",
    `methods.${name}`,
    "a function, or an object whose `handler` is one",
    got,
  );
  checkKeys(definition, methodKeys, `methods.${name}.`);
  for (const code of Object.keys(errors)) {
    const own = codePattern.test(code) && !Object.hasOwn(frameworkCodes, code);
    check(own, `methods.${name}.errors`, "codes in upper case that are none of the framework's", code);
  }
  const resumable = (stream !== undefined && definition.resumable) ?? false;
  check(!resumable || stream === "out", `methods.${name}.resumable`, "a stream `out`", stream);
  const durable = toDurable(name, definition.durable ?? false);
  return {
    name,
    stream,
    endless: stream !== undefined && (definition.endless ?? false),
    resumable,
    handler: definition.handler as Method["handler"],
    input: definition.input,
    output: definition.output,
    errors,
    trust: definition.trust ?? "external",
    idempotent: definition.idempotent ?? false,
    // The broker deduplicates by the key, so that a call that may have been stored can be made again.
    keyed: definition.keyed ?? durable !== undefined,
    durable,
    http: definition.http,
  };
}

function toDurable(name: string, value: boolean | DurableOptions): Required<DurableOptions> | undefined {
  if (value === false) return undefined;
  const { redeliveriesMax = redeliveriesMaxDefault, maxRunMs = maxRunMsDefault } = value === true ? {} : value;
  const whole = Number.isInteger(redeliveriesMax) && redeliveriesMax >= 0 && redeliveriesMax <= mostRedeliveries;
  check(
    whole,
    `methods.${name}.durable.redeliveriesMax`,
    `a whole number from 0 to ${mostRedeliveries}`,
    redeliveriesMax,
  );
  check(maxRunMs > 0, `methods.${name}.durable.maxRunMs`, "a number of milliseconds above 0", maxRunMs);
  return { redeliveriesMax, maxRunMs };
}

function check(holds: boolean, field: string, expected: string, got: unknown): asserts holds {
  if (holds) return;
  throw new WherryError(`service ${field}: expected ${expected}, got ${JSON.stringify(got)}`, {
    code: "SERVICE_DEFINITION_INVALID",
    details: { field },
  });
}
