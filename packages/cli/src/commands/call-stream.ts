// `wherry call` of a method that streams: what comes is a line of JSON each on stdout, what goes is one a line from stdin. Nothing piles
// up: the service sends no faster than stdout takes, and stdin is read no faster than the service takes.
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { asError } from "@wherry/core";
import { type Client, ServiceError, type StreamKind } from "@wherry/service";
import type { Context } from "../context.ts";
import { errorText } from "../error-text.ts";
import { CliError, exitCodes, usageError } from "../errors.ts";
import { cliLimits } from "../limits.ts";

export interface StreamCall {
  readonly method: string;
  readonly kind: StreamKind;
  /** The argument of `out`; of `in` and `both`, the only item. Undefined: none, and their items come from stdin. */
  readonly body: unknown;
  /** Of the stream as a whole; undefined: none. */
  readonly deadlineMs: number | undefined;
  readonly keyed?: Readonly<Partial<Record<"key", string>>>;
}

/** What of the process a stream needs: a test has its own. */
export interface Streaming {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  /** Aborts when the user wants no more. */
  readonly interrupted: AbortSignal;
}

/** Which kind of stream a refused call says that the method is, if any. */
export function kindOf(error: unknown): StreamKind | undefined {
  const kind = ServiceError.is(error) && error.code === "INVALID" ? error.details["stream"] : undefined;
  return kind === "out" || kind === "in" || kind === "both" ? kind : undefined;
}

/** Until its end, or the user's. @returns the exit code. @throws CliError */
export async function callStream(client: Client, call: StreamCall, of: Streaming, context: Context): Promise<number> {
  const { method, kind, body, deadlineMs, keyed } = call;
  const { terminal } = context;
  const { stdin, interrupted } = of;
  let mistake: Error | undefined;
  const items = async function* (): AsyncGenerator {
    try {
      if (body === undefined) yield* jsonLines(stdin);
      else yield body;
    } catch (error) {
      mistake = asError(error);
      throw error;
    }
  };
  if (kind !== "out" && body === undefined && stdin.isTTY === true)
    terminal.note("items: a line of JSON each, Ctrl-D after the last");
  const given = kind === "out" ? body : items();
  const stream = client.stream(method, given, {
    signal: interrupted,
    ...keyed,
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
  });
  try {
    if (kind !== "in") for await (const item of stream) await terminal.outWhenTaken(lineOf(item), interrupted);
    const reply = await stream.result;
    if (reply === undefined) return 0;
    // Beside the items it would look like one.
    if (kind === "in") terminal.out(lineOf(reply));
    else terminal.note(`${terminal.style("dim", "done:")} ${terminal.clean(lineOf(reply))}`);
    return 0;
  } catch (error) {
    if (mistake !== undefined) throw mistake;
    if (interrupted.aborted) {
      terminal.note("cancelled");
      return exitCodes.interrupted;
    }
    if (!ServiceError.is(error)) throw error;
    throw new CliError(errorText(error));
  }
}

/** As JSON: bytes in base64, nothing as null. */
function lineOf(value: unknown): string {
  const text = value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value;
  return JSON.stringify(text ?? null);
}

async function* jsonLines(input: Readable): AsyncGenerator {
  let number = 0;
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    number++;
    if (line.trim() === "") continue;
    if (line.length > cliLimits.bodyCharsMax)
      throw usageError(`line ${number} has ${line.length} characters; ${cliLimits.bodyCharsMax} at most are taken`);
    try {
      yield JSON.parse(line);
    } catch (error) {
      throw usageError(
        `line ${number} of the items is not JSON, and the stream was cancelled: ${asError(error).message}`,
      );
    }
  }
}
