// One probe of one container instance, over time (kubelet: pkg/kubelet/prober/worker.go). It probes at once, then every period;
// it knows thresholds and delays, and reports only what changes.
import { asError, type Clock, type Timer } from "@wherry/core";
import type { Probe } from "@wherry/kube";
import type { ProbeResult } from "./handlers.ts";

export type ProbeType = "startup" | "readiness" | "liveness";

export interface ProbeWorkerOptions {
  readonly type: ProbeType;
  readonly probe: Probe;
  readonly clock: Clock;
  /** What is taken to be true before the first result. */
  readonly initial: boolean;
  /** Since when the container runs: initialDelaySeconds counts from there. */
  readonly startedAtMs: number;
  run(timeoutMs: number): Promise<ProbeResult>;
  /** The result has changed: a threshold was reached. */
  onResult(success: boolean, output: string): void;
  /** Each single failure, for the event. */
  onFailure(output: string): void;
  onWarning(output: string): void;
}

/**
 * Before the first success of a probe that waits for the program to come up, it is looked for more often than the period, as long
 * as that is cheap: a connection refused says nothing about a program that is still starting, and a user should not wait
 * for the next full period. These extra looks count only when they succeed: no threshold and no event sees them fail, so
 * the rest is exactly Kubernetes'.
 */
const eagerEveryMs = 20;
const eagerForMs = 3_000;

export class ProbeWorker {
  readonly #options: ProbeWorkerOptions;
  #result: boolean;
  #streak = 0;
  #streakOf: boolean | undefined;
  #timer: Timer | undefined;
  #eagerTimer: Timer | undefined;
  #stopped = false;
  #busy = false;

  constructor(options: ProbeWorkerOptions) {
    this.#options = options;
    this.#result = options.initial;
  }

  start(): void {
    const { probe, clock, startedAtMs } = this.#options;
    const periodMs = (probe.periodSeconds ?? 10) * 1000;
    const delayMs = (probe.initialDelaySeconds ?? 0) * 1000;
    const ranMs = clock.now() - startedAtMs;
    // The delay is looked at on ticks only, so the first probe is on the first tick at or after it.
    const firstMs = delayMs <= ranMs ? 0 : Math.ceil((delayMs - ranMs) / periodMs) * periodMs;
    const tick = (): void => {
      if (this.#stopped) return;
      this.#timer = clock.timer(periodMs, tick, { background: true });
      void this.#probe(true);
    };
    if (this.#looksEagerly) {
      // A program is not up the moment it is started, and a warning each time would only be noise. kubelet's first look is
      // anywhere within the first period (its ticker runs before the container does): here it is at the end of it.
      this.#timer = clock.timer(firstMs + periodMs, tick, { background: true });
      this.#eager(firstMs, clock.monotonic() + firstMs + eagerForMs);
    } else if (firstMs === 0) tick();
    else this.#timer = clock.timer(firstMs, tick, { background: true });
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#eagerTimer?.cancel();
  }

  get #looksEagerly(): boolean {
    const { initial, type, probe } = this.#options;
    if (initial || type === "liveness") return false;
    // Several successes in a row mean "it stays up", which takes the periods it takes.
    return (probe.tcpSocket !== undefined || probe.httpGet !== undefined) && (probe.successThreshold ?? 1) <= 1;
  }

  #eager(afterMs: number, untilMs: number): void {
    const { clock } = this.#options;
    if (this.#stopped || this.#result || clock.monotonic() >= untilMs) return;
    this.#eagerTimer = clock.timer(
      afterMs,
      () => {
        if (this.#stopped || this.#result) return;
        void this.#probe(false).then(() => this.#eager(eagerEveryMs, untilMs));
      },
      { background: true },
    );
  }

  async #run(): Promise<ProbeResult> {
    try {
      return await this.#options.run((this.#options.probe.timeoutSeconds ?? 1) * 1000);
    } catch (error) {
      // What the probe needs can't be had just now; that says nothing about the container.
      return { verdict: "error", output: asError(error).message };
    }
  }

  async #probe(counts: boolean): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    const result = await this.#run();
    this.#busy = false;
    if (this.#stopped || result.verdict === "error") return;
    const success = result.verdict !== "failure";
    if (!success && !counts) return;
    if (result.verdict === "warning") this.#options.onWarning(result.output);
    if (!success) this.#options.onFailure(result.output);
    this.#streak = this.#streakOf === success ? this.#streak + 1 : 1;
    this.#streakOf = success;
    const { probe } = this.#options;
    const threshold = success ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? 3);
    if (this.#streak < threshold) return;
    const { type } = this.#options;
    // Liveness and startup that failed wait for the next instance; startup that succeeded is done.
    if ((type !== "readiness" && !success) || (type === "startup" && success)) this.stop();
    else if (success === this.#result) return;
    this.#result = success;
    this.#options.onResult(success, result.output);
  }
}
