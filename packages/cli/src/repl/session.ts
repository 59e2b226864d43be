// The prompt of `wherry repl`: Node's own, with a service's methods in reach. It waits for what is called and shows an error of the
// service as one line. It decides nothing of the service: what it knows of it, the service has said.
import type { REPLServer } from "node:repl";
import { start } from "node:repl";
import { createInterface } from "node:readline";
import { PassThrough, type Readable, type Writable } from "node:stream";
import { Script } from "node:vm";
import { type CallOptions, type Client, type ServiceDescription, ServiceError } from "@wherry/service";
import { methodLines } from "../method-lines.ts";
import type { Terminal } from "../terminal.ts";

export interface ReplOptions {
  readonly client: Client;
  readonly description: ServiceDescription;
  readonly input: Readable;
  readonly output: Writable;
  readonly terminal: Terminal;
  /** A person types: with prompt, completion and colours. */
  readonly interactive: boolean;
}

/** A running prompt. */
export interface Repl {
  /** The variable that holds the service's methods: its name, in a variable's letters. */
  readonly variable: string;
  readonly server: REPLServer;
  /** Resolves when the input ends, or at `.exit`. */
  readonly ended: Promise<void>;
}

export function startRepl({ client, description, input, output, terminal, interactive }: ReplOptions): Repl {
  const variable = variableOf(description.name);
  // Its variables are the process's own: bytes made at the prompt are then bytes to the client as well.
  const server = start({
    prompt: interactive ? `${description.name}> ` : "",
    input: interactive ? input : new PassThrough(),
    ...{ output, terminal: interactive, useGlobal: true, ignoreUndefined: true },
  });
  const reach = { [variable]: methodsOf(client, description), client, ServiceError };
  for (const [name, value] of Object.entries(reach))
    Object.defineProperty(server.context, name, { value, configurable: true, enumerable: true, writable: true });
  server.defineCommand("methods", {
    help: "Show the service's methods, with their types",
    action() {
      // Their addresses are for others: whoever is here has the methods themselves.
      const lines = methodLines(description.methods, { columns: terminal.columns, http: false });
      for (const line of lines) terminal.out(terminal.clean(line));
      this.displayPrompt();
    },
  });
  const evaluate = server.eval;
  const waiting: typeof evaluate = function (code, context, file, done) {
    // Node gives what is awaited, and throws, to nobody but its own screen: an expression's error comes back as its value.
    const settled = isExpression(code)
      ? `await (async () => { try { return [await (${code}\n)]; } catch (error) { return { error }; } })()`
      : code;
    evaluate.call(this, settled, context, file, (error, value: unknown) => {
      const thrown = Array.isArray(value) ? undefined : (value as { readonly error?: Error } | undefined)?.error;
      if (settled === code || error !== null) done(error, value);
      else if (Array.isArray(value)) done(null, value[0]);
      else if (ServiceError.is(thrown)) {
        terminal.note(terminal.clean(lineOf(thrown)));
        done(null, undefined);
      } else done(thrown ?? null, undefined);
    });
  };
  Object.assign(server, { eval: waiting });
  if (!interactive) void feed(server, input);
  const ended = new Promise<void>((resolve) => {
    server.once("exit", () => {
      for (const name of Object.keys(reach)) Reflect.deleteProperty(server.context, name);
      resolve();
    });
  });
  return { variable, server, ended };
}

/** Node's prompt waits for an `await` before it takes the next key, but not before the next line of a pipe: each line, when it wants one. */
async function feed(server: REPLServer, input: Readable): Promise<void> {
  let wantsNext: () => void = () => undefined;
  const display = server.displayPrompt.bind(server);
  const prompt = (preserveCursor?: boolean): void => {
    display(preserveCursor);
    wantsNext();
  };
  Object.assign(server, { displayPrompt: prompt });
  const left = new AbortController();
  server.once("exit", () => {
    left.abort();
    wantsNext();
  });
  for await (const line of createInterface({ input })) {
    const wanted = new Promise<void>((resolve) => (wantsNext = resolve));
    server.emit("line", line);
    await wanted;
    if (left.signal.aborted) return;
  }
  server.close();
}

/** Each method as a function: of calls `(body, options) => reply`, of streams `(argument or items, options) => stream`. */
function methodsOf(client: Client, { methods }: ServiceDescription): object {
  const stream = client.stream.bind(client) as (name: string, given: unknown, options?: object) => unknown;
  return Object.fromEntries(
    Object.entries(methods).map(([name, method]) => [
      name,
      method.stream === undefined
        ? (body?: unknown, options?: CallOptions): Promise<unknown> => client.call(name, body, options)
        : (given?: unknown, options?: object): unknown => stream(name, given, options),
    ]),
  );
}

/** `price-list` is `priceList`, so that it can be typed. */
const variableOf = (service: string): string =>
  service.replace(/^\d|-+(.)/g, (part, next?: string) => next?.toUpperCase() ?? `_${part}`);

/** Parsed, not run. */
function isExpression(code: string): boolean {
  if (code.trim() === "") return false;
  try {
    return new Script(`async () => await (${code}\n)`) instanceof Script;
  } catch {
    return false;
  }
}

function lineOf({ code, message, fate, details }: ServiceError): string {
  const more = Object.keys(details).length === 0 ? "" : ` ${JSON.stringify(details)}`;
  return `${code}: ${message} (${fate})${more}`;
}
