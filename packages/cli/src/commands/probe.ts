// `wherry probe`: the exec probe. One in-line request; the exit code is the answer. Loads no more than that takes.
import { probe as ask } from "@wherry/service/probe";
import type { Context } from "../context.ts";
import { type CurveOptions, curveOf, keyHint } from "../curve.ts";
import { exitCodes } from "../errors.ts";
import { duration } from "../values.ts";

export interface ProbeCommandOptions extends CurveOptions {
  readonly timeout: string;
  readonly raw?: true;
}

export async function probe(endpoint: string, options: ProbeCommandOptions, context: Context): Promise<number> {
  const timeoutMs = duration("--timeout", options.timeout);
  const curve = await curveOf(options, context);
  const result = await ask(endpoint, { timeoutMs, raw: options.raw === true, clock: context.clock, ...curve });
  if (!result.ok) {
    context.terminal.note(`wherry: ${context.terminal.clean(result.error)}${keyHint(result.error)}`);
    return exitCodes.failed;
  }
  const who = [result.service, result.instance, result.state]
    .filter((text) => text !== "" && text !== "unknown")
    .join(" ");
  context.terminal.out(
    context.terminal.clean(`answered in ${result.latencyMs.toFixed(1)} ms${who === "" ? "" : `: ${who}`}`),
  );
  return 0;
}
