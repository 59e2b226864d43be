// The `simulated` runtime: containers that only say that they run, for scale and for tests with a virtual clock. It starts no
// process, touches no disk and opens no socket.
import type { Clock } from "@wherry/core";
import type { Container, ContainerSpec, ContainerState, ExecResult, Runtime } from "./types.ts";

type Exited = Extract<ContainerState, { phase: "exited" }>;

const signalNumbers: Readonly<Partial<Record<NodeJS.Signals, number>>> = { SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

export function simulatedRuntime(options: { readonly clock: Clock }): Runtime {
  const { clock } = options;
  return {
    name: "simulated",
    start: (spec) => Promise.resolve(new SimulatedContainer(spec, clock)),
    // Nothing ran, so nothing can have ended: what was said to run goes on being said to.
    adopt: (id) => Promise.resolve(new SimulatedContainer({ id }, clock)),
    exec: (): Promise<ExecResult> => Promise.resolve({ exitCode: 0, output: "", timedOut: false }),
  };
}

class SimulatedContainer implements Container {
  readonly id: string;
  readonly output: undefined;
  readonly exited: Promise<Exited>;
  readonly #clock: Clock;
  readonly #cancel: () => void;
  #state: ContainerState;
  #resolve: (state: Exited) => void = () => undefined;

  constructor(spec: Pick<ContainerSpec, "id" | "simulate">, clock: Clock) {
    this.id = spec.id;
    this.output = undefined;
    this.#clock = clock;
    // No process has pid 0.
    this.#state = { phase: "running", pid: 0, startedAtMs: clock.now() };
    this.exited = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    const end = spec.simulate;
    const timer =
      end === undefined
        ? undefined
        : clock.timer(end.afterMs ?? 0, () => this.#end(end.exitCode ?? 0), { background: true });
    this.#cancel = () => timer?.cancel();
  }

  get state(): ContainerState {
    return this.#state;
  }

  signal(signal: NodeJS.Signals): void {
    const number = signalNumbers[signal];
    if (number !== undefined) this.#end(128 + number);
  }

  killAll(): void {
    this.signal("SIGKILL");
  }

  #end(exitCode: number): void {
    if (this.#state.phase !== "running") return;
    this.#cancel();
    const { startedAtMs } = this.#state;
    const state: Exited = { phase: "exited", exitCode, startedAtMs, finishedAtMs: this.#clock.now(), known: true };
    this.#state = state;
    this.#resolve(state);
  }
}
