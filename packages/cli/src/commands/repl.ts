// `wherry repl`: a prompt with a service's methods in reach, through discovery and balancing.
import { connect } from "@wherry/service";
import type { CommonOptions } from "../common-options.ts";
import type { Context } from "../context.ts";
import { type CurveOptions, curveOf } from "../curve.ts";
import { startRepl } from "../repl/session.ts";
import { describeService, findService } from "../service-target.ts";
import { duration } from "../values.ts";

export interface ReplCommandOptions extends CommonOptions, CurveOptions {
  readonly deadline: string;
}

export async function repl(target: string, options: ReplCommandOptions, context: Context): Promise<number> {
  const deadlineMs = duration("--deadline", options.deadline);
  const found = await findService(target, options.name, context);
  const { kube, name, namespace } = found;
  const curve = await curveOf(options, context, found);
  const client = connect(name, { kube, namespace, deadlineMs, name: "wherry-repl", ...curve });
  const { terminal } = context;
  try {
    const description = await describeService(client, name);
    const interactive = terminal.interactive && process.stdin.isTTY;
    const { stdin: input, stdout: output } = process;
    const { variable, ended } = startRepl({ client, description, input, output, terminal, interactive });
    if (interactive) terminal.note(`methods of ${name} are ${variable}.…, <tab> completes; .methods lists, .exit ends`);
    await ended;
    return 0;
  } finally {
    await client.close();
  }
}
