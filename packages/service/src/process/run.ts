// The process around a service: options, log, signals, crash, exit code. The only place of this package that touches
// `process`. It loads the rest of the framework after its signal handlers stand, so that a SIGTERM during start-up is heard.
import { writeSync } from "node:fs";
import { isatty } from "node:tty";
import { asError, SystemClock, WherryError } from "@wherry/core";
import { declaredSettings, useSources } from "../config/configure.ts";
import { readTextFile } from "../config/read-file.ts";
import { drainMinimumMsInCluster, drainTimeoutMsDefault } from "../limits.ts";
import type { HttpOptions } from "../http/source.ts";
import type { Ending } from "../server/hand-back.ts";
import type { Serving } from "../server/serve.ts";
import type { Methods, Service } from "../service.ts";
import type { Publish, Topics } from "../topic.ts";
import { type ProcessConfig, parseConfig } from "./config.ts";
import { httpOf, portOf, portsText } from "./listening.ts";
import type { ProcessLog } from "./logging.ts";
import { attachLog } from "./process-log.ts";
import { Together } from "./together.ts";
import type { Watchdog } from "./watchdog.ts";

export interface RunOptions {
  /** Command-line arguments. Default: the process's own. */
  readonly argv?: readonly string[];
  /** Milliseconds from SIGTERM until what is unanswered is handed back; `Infinity`: that is waited for, however long. Default 5000. */
  readonly drainTimeoutMs?: number;
  /** Milliseconds to stay after SIGTERM even if nobody is connected. Default 1000 in a cluster, else 0. */
  readonly drainMinimumMs?: number;
  /**
   * The methods over HTTP, on port 8080 unless `--http-port` or `HTTP_PORT` says otherwise. Default: when those do, or when a method
   * says its `http` address. False: never.
   */
  readonly http?: boolean | HttpOptions;
}

/** Where a running service can be reached. */
export interface Running<T extends Topics = Topics> {
  /** `tcp://127.0.0.1:5555` */
  readonly endpoint: string;
  /** `http://127.0.0.1:9000` */
  readonly adminUrl: string;
  /** Publishes an event of the service, outside its handlers; see `RequestContext.publish`. */
  readonly publish: Publish<T>;
  /** `http://127.0.0.1:8080`; undefined when nothing asked for HTTP. */
  readonly httpUrl: string | undefined;
}

const exitCode = { ok: 0, failed: 1, usage: 2 } as const;
const signalNumbers = { SIGINT: 2, SIGTERM: 15 } as const;

/**
 * Runs a service, or several, as this process: resolves when it listens, and ends the process when it is drained, crashed or told to.
 * Exit codes: 0 drained, 1 an error or requests cut off, 2 wrong options, 128 + signal for a second signal.
 * @throws WherryError SERVICE_OPTION_INVALID
 */
export async function run<M extends Methods, T extends Topics>(
  service: Service<M, T>,
  options?: RunOptions,
): Promise<Running<T>>;
/** Several: each with a messaging port of its own, one admin port; ready, drained and crashed together. In their order. */
export async function run(services: readonly Service[], options?: RunOptions): Promise<readonly Running[]>;
export async function run(given: Service | readonly Service[], options: RunOptions = {}): Promise<unknown> {
  checkMs("drainTimeoutMs", options.drainTimeoutMs);
  checkMs("drainMinimumMs", options.drainMinimumMs);
  const several = "length" in given;
  const services = several ? given : [given];
  const name = services.map((service) => service.name).join("+");
  const config = configOf(name, several ? services : [], options.argv ?? process.argv.slice(2));
  if (config.describe) {
    writeSync(1, portsText(services, config, options.http));
    return process.exit(exitCode.ok);
  }
  const main = new Main(name, services, config, options);
  main.installHandlers();
  const running = await main.start();
  return several ? running : running[0];
}

/** @param several the services, if there may be more than one. */
function configOf(name: string, several: readonly Service[], argv: readonly string[]): ProcessConfig {
  try {
    useSources({ argv, env: process.env, readFile: readTextFile });
    const names = several.map((service) => service.name);
    if (new Set(names).size < names.length)
      throw new WherryError(`services: expected each once, got ${names.join(", ")}`, {
        code: "SERVICE_CONFIG_INVALID",
      });
    const parsed = parseConfig(name, argv, process.env, declaredSettings(), readTextFile, names);
    if ("config" in parsed) return parsed.config;
    writeSync(1, parsed.text);
    return process.exit(exitCode.ok);
  } catch (error) {
    if (!WherryError.is(error, "SERVICE_CONFIG_INVALID")) throw error;
    return refuse(name, error);
  }
}

/** Now, and not when the process is told to leave. */
function checkMs(name: string, ms: number | undefined): void {
  if (ms === undefined || ms >= 0) return;
  throw new WherryError(`${name}: expected milliseconds, 0 or more, got ${ms}`, { code: "SERVICE_OPTION_INVALID" });
}

/** A line for each mistake. */
function refuse(name: string, { message }: Error): never {
  writeSync(2, `${message.replace(/^/gm, `${name}: `)}\n`);
  return process.exit(exitCode.usage);
}

class Main {
  /** Of the services, joined by `+`. */
  readonly #name: string;
  readonly #services: readonly Service[];
  readonly #config: ProcessConfig;
  readonly #options: RunOptions;
  #processLog: ProcessLog | undefined;
  #together: Together | undefined;
  #stopping = false;
  #fatalWritten = false;

  constructor(name: string, services: readonly Service[], config: ProcessConfig, options: RunOptions) {
    this.#name = name;
    this.#services = services;
    this.#config = config;
    this.#options = options;
  }

  get #log(): ProcessLog["logger"] | undefined {
    return this.#processLog?.logger;
  }

  installHandlers(): void {
    process.on("SIGTERM", (signal) => this.#signal(signal as "SIGTERM"));
    process.on("SIGINT", (signal) => this.#signal(signal as "SIGINT"));
    // Unhandled rejections come here too: Node raises them as uncaught exceptions.
    process.on("uncaughtException", (error) => this.#escaped(error));
  }

  async start(): Promise<readonly Running[]> {
    try {
      const { createLogger } = await import("./logging.ts");
      const processLog = await createLogger(this.#name, this.#config, isatty(1));
      this.#processLog = processLog;
      attachLog(processLog);
      process.once("exit", () => processLog.output.closeNow());
      return await this.#listen(processLog);
    } catch (error) {
      if (WherryError.is(error, "SERVICE_CONFIG_INVALID")) refuse(this.#name, error);
      this.#fatal(asError(error), "could not start");
      await this.#processLog?.output.close();
      return process.exit(exitCode.failed);
    }
  }

  async #listen({ logger: log, output }: ProcessLog): Promise<readonly Running[]> {
    const { startAdmin } = await import("./admin.ts");
    const listening = [];
    for (const [index, service] of this.#services.entries()) listening.push(await this.#serve(service, index, log));
    // From here on a signal drains: peers may be there already.
    const together = new Together(listening.map(({ server }) => server));
    this.#together = together;
    void together.ended.then((ending) => this.#end(ending));
    await this.#underNpm(log);
    const watchdog = await this.#watch(log, output);
    const blocked = watchdog === undefined ? {} : { blocked: () => watchdog.blocked };
    const { host, adminPort } = this.#config;
    const admin = await startAdmin(together, host, adminPort, { log: () => output.counters, ...blocked });
    const startMs = Math.round(new SystemClock().monotonic());
    return listening.map(({ endpoint, server, httpUrl }) => {
      const { name, version } = server.service;
      const where = { endpoint, admin: admin.url, ...(httpUrl === undefined ? {} : { http: httpUrl }) };
      const facts = { ...where, ...(version === "" ? {} : { version }), startMs };
      log.info(facts, `${name} listens on ${endpoint}`);
      const publish: Running["publish"] = (topic, event, options) => server.publish(topic, event, options);
      return { endpoint, adminUrl: admin.url, httpUrl, publish };
    });
  }

  async #serve(service: Service, index: number, log: ProcessLog["logger"]): Promise<Serving> {
    const { serve } = await import("../server/serve.ts");
    const { host, podUid: pod, broker, curve, namespace, busyPollUs } = this.#config;
    const one = this.#services.length === 1;
    return serve(service, {
      services: this.#services.length,
      ...{ host, pod, broker, curve, namespace, busyPollUs },
      port: portOf(service, this.#config),
      http: httpOf(service, index, this.#options.http, this.#config),
      log: one ? log : log.child({ part: service.name }),
      onCrash: (ending) => this.#crashed(ending),
    });
  }

  async #watch(log: ProcessLog["logger"], output: ProcessLog["output"]): Promise<Watchdog | undefined> {
    const { blockedMs, podName } = this.#config;
    if (blockedMs === 0) return undefined;
    const { Watchdog } = await import("./watchdog.ts");
    const base = { service: this.#name, ...(podName === undefined ? {} : { pod: podName }) };
    const colour = (process.env["NO_COLOR"] ?? "") === "";
    const onRecord = (line: string): void => output.takeWritten(line);
    const shown = { base, terminal: isatty(1), colour };
    const watchdog = new Watchdog({ blockedMs, ...shown, clock: new SystemClock(), log, onRecord });
    watchdog.start();
    return watchdog;
  }

  async #underNpm(log: ProcessLog["logger"]): Promise<void> {
    if (process.env["npm_lifecycle_event"] === undefined) return;
    const { npmWarning, onShellGone } = await import("./npm.ts");
    const warning = npmWarning(process.env, process.ppid);
    if (warning === undefined) return;
    log.warn({ parent: process.ppid }, warning);
    onShellGone(new SystemClock(), () => {
      if (!this.#stopping) this.#signal("SIGTERM");
    });
  }

  #signal(signal: keyof typeof signalNumbers): void {
    if (this.#stopping) {
      const left = this.#together;
      this.#log?.warn(
        { signal, queued: left?.queued ?? 0, running: left?.running ?? 0 },
        `second signal, ${signal}: ending now`,
      );
      process.exit(128 + signalNumbers[signal]);
    }
    this.#stopping = true;
    if (this.#together === undefined) {
      this.#log?.info({ signal }, `${signal} before the service listened: nothing to drain`);
      process.exit(exitCode.ok);
    }
    this.#log?.info({ signal }, `${signal}: draining`);
    this.#drain(this.#together);
  }

  #drain(together: Together): void {
    const timeoutMs = this.#options.drainTimeoutMs ?? drainTimeoutMsDefault;
    const minimumMs = this.#options.drainMinimumMs ?? (this.#config.inCluster ? drainMinimumMsInCluster : 0);
    together.drain({ timeoutMs, minimumMs: Math.min(minimumMs, timeoutMs) });
  }

  #escaped(error: unknown): void {
    if (this.#together === undefined) {
      this.#fatal(asError(error), "an error escaped");
      void this.#exit(exitCode.failed);
      return;
    }
    if (!this.#together.isOver) this.#together.crash(error);
    // While the last answers are flushed: they still are, and the process ends with `#end`.
    else this.#fatal(asError(error), "an error escaped at the end");
  }

  #crashed({ error, method, refused, aborted, rawDropped }: Ending): void {
    const where =
      method === undefined ? "an error escaped" : method === "raw" ? "the raw handler threw" : `${method} threw`;
    const facts = { ...(method === undefined ? {} : { method }), refused, aborted, rawDropped };
    this.#fatal(error ?? new Error("unknown"), `${where}; ending`, facts);
    if (this.#together !== undefined) this.#together.close();
    // One of several, while another is only starting: there is nobody yet to wait for all of them.
    else void this.#exit(exitCode.failed);
  }

  /** Exactly one record per process: what comes after the first is its consequence. */
  #fatal(error: Error, message: string, facts: Readonly<Record<string, number | string>> = {}): void {
    if (this.#fatalWritten) return;
    this.#fatalWritten = true;
    const text = `${message}: ${error.message}`;
    if (this.#log !== undefined) this.#log.fatal({ err: error, ...facts }, text);
    else {
      const err = { type: error.name, message: error.message, stack: error.stack };
      writeSync(1, `${JSON.stringify({ level: "fatal", service: this.#name, err, msg: text })}\n`);
    }
  }

  #end({ reason, refused, aborted, rawDropped }: Ending): void {
    const lost = { refused, aborted, rawDropped };
    const drainMs = Math.round(this.#together?.drainMs ?? 0);
    if (reason === "deadline")
      this.#log?.error({ ...lost, drainMs }, "the drain's deadline passed; the rest was handed back");
    else if (reason === "drained") this.#log?.info({ drainMs }, "drained; ending");
    const fine = (reason === "drained" || reason === "closed") && !this.#fatalWritten;
    void this.#exit(fine ? exitCode.ok : exitCode.failed);
  }

  /** With sinks, after a moment for them; without, in this turn. */
  async #exit(code: number): Promise<void> {
    const output = this.#processLog?.output;
    if (output?.hasSinks === true) await output.close();
    process.exit(code);
  }
}
