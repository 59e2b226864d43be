// Time, handed in. Logic never reads the machine's clock or sets a timer of its own: it takes a `Clock`, so that a test
// can hold time still and make it jump (`VirtualClock`, in `@wherry/core/testing`).

/** A timer that was set; `cancel` is idempotent. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since the Unix epoch; may jump when the machine's time is set. For timestamps. */
  now(): number;
  /** Milliseconds from an arbitrary origin; never goes backwards. For durations and deadlines. */
  monotonic(): number;
  /** Calls `fire` once after `delayMs` (≥ 0). A pending timer keeps the process alive unless `background` is true. */
  timer(delayMs: number, fire: () => void, options?: { readonly background?: boolean }): Timer;
  /** Resolves after `delayMs`; rejects with the signal's reason when aborted first. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

/** The longest delay that Node's timers take; longer ones fire at once there. */
const timerDelayMsMax = 2 ** 31 - 1;

/** `performance` is looked up once: as a global of Node it is an accessor, and the clock is read several times for each request. */
const { performance: machine } = globalThis;

/** The machine's own clock. */
export class SystemClock implements Clock {
  now(): number {
    return Date.now();
  }

  monotonic(): number {
    return machine.now();
  }

  timer(delayMs: number, fire: () => void, options?: { readonly background?: boolean }): Timer {
    const handle = setTimeout(fire, Math.min(Math.max(0, delayMs), timerDelayMsMax));
    if (options?.background === true) handle.unref();
    return { cancel: () => clearTimeout(handle) };
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return sleepWith(this, delayMs, signal);
  }
}

/** `sleep` in terms of `timer`, for every clock. */
export function sleepWith(clock: Pick<Clock, "timer">, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason as Error);
      return;
    }
    const onAbort = (): void => {
      timer.cancel();
      reject(signal?.reason as Error);
    };
    const timer = clock.timer(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
