// `wherry dashboard`: a page with all services of a cluster, served from here until Ctrl-C.
import { connectApi } from "../client.ts";
import type { CommonOptions } from "../common-options.ts";
import type { Context } from "../context.ts";
import { curveOf } from "../curve.ts";
import { requireDaemon } from "../daemon-process.ts";
import { Gatherer } from "../dashboard/gather.ts";
import { serveDashboard } from "../dashboard/server.ts";
import { Interrupt } from "../up/interrupt.ts";
import { wholeNumber } from "../values.ts";

export interface DashboardOptions extends CommonOptions {
  readonly port?: string;
}

/** @throws CliError when no cluster runs, or the port is taken */
export async function dashboard(options: DashboardOptions, context: Context): Promise<number> {
  const port = options.port === undefined ? 0 : wholeNumber("--port", options.port, 1, 65_535);
  const { paths, info } = requireDaemon(options.name, context);
  const { client: kube } = connectApi(paths, info);
  const { clock, random, terminal } = context;
  const security = (service: { readonly name: string; readonly namespace: string }): ReturnType<typeof curveOf> =>
    curveOf({}, context, service);
  const gatherer = new Gatherer({ cluster: options.name, kube, clock, security });
  const interrupt = new Interrupt(clock);
  const secret = random.uuid().replaceAll("-", "");
  // What the first page's rates are compared with.
  gatherer.figures().catch(() => undefined);
  const server = await serveDashboard({ figures: () => gatherer.figures(), port, secret });
  try {
    terminal.out(server.url);
    terminal.note(terminal.style("dim", "Open it in a browser; Ctrl-C ends it."));
    await interrupt.first;
    return 0;
  } finally {
    server.close();
    await gatherer.close();
  }
}
