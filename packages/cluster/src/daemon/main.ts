// The daemon's process: started by `wherry up` in a session of its own, with its options as JSON and a pipe to report on.
// SIGTERM and SIGINT drain and stop it, twice at once; a kill -9 leaves the pods alive for the next daemon. Its log is its stdout and
// stderr, which are daemon.log. Anything that escapes is one record, and the end: the pods live on then, too.
import module from "node:module";
import { asError, SystemClock, SystemRandom, WherryError } from "@wherry/core";
import { type Daemon, startDaemon } from "./daemon.ts";
import { createDaemonLog } from "./log.ts";
import type { DaemonOptions } from "./options.ts";
import { sendReport } from "./report.ts";

const exitCodes = { stopped: 0, failed: 1, usage: 2, forced: 130 } as const;

const options = parseOptions(process.argv[2]);
const log = createDaemonLog(options.logLevel ?? "info");
const clock = new SystemClock();
/** After it, everything that a start loads has been compiled, and nothing waits. */
const cacheFlushMs = 3_000;

let daemon: Promise<Daemon> | undefined;
let signals = 0;
let fatal = false;

process.on("uncaughtException", (error) => {
  if (fatal) return;
  fatal = true;
  log.error({ err: error }, `an error escaped; the daemon ends, its pods live on: ${error.message}`);
  sendReport({ type: "failed", code: "DAEMON_CRASHED", message: `the cluster's daemon crashed: ${error.message}` });
  process.exit(exitCodes.failed);
});
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => void stop(signal));
// The terminal that started it may close; its session is its own.
process.on("SIGHUP", () => undefined);

try {
  daemon = startDaemon(options, {
    clock,
    random: new SystemRandom(),
    log,
    onListening: (info) => {
      sendReport({ type: "listening", info });
    },
  });
  await daemon;
  clock.timer(cacheFlushMs, () => module.flushCompileCache(), { background: true });
} catch (thrown) {
  const error = asError(thrown);
  log.error({ err: error }, `could not start: ${error.message}`);
  const code = WherryError.is(error) ? error.code : "DAEMON_FAILED";
  sendReport({ type: "failed", code, message: error.message });
  process.exit(exitCodes.failed);
}

async function stop(signal: string): Promise<void> {
  signals += 1;
  log.info({ signal }, signals === 1 ? "stopping: draining the pods" : "stopping at once");
  try {
    const running = await daemon;
    if (signals > 1) await running?.kill();
    else await running?.stop();
  } catch (error) {
    log.error({ err: asError(error) }, `did not stop cleanly: ${asError(error).message}`);
    process.exit(exitCodes.failed);
  }
  log.info({}, "stopped");
  process.exit(signals > 1 ? exitCodes.forced : exitCodes.stopped);
}

function parseOptions(text: string | undefined): DaemonOptions {
  try {
    const parsed = JSON.parse(text ?? "") as Partial<DaemonOptions>;
    if (typeof parsed.home === "string" && typeof parsed.name === "string") return parsed as DaemonOptions;
  } catch {
    // Said below.
  }
  process.stderr.write('usage: main.ts \'{"home":"…","name":"…"}\': this is what "wherry up" starts\n');
  return process.exit(exitCodes.usage);
}
