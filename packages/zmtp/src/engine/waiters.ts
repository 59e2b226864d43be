// Promises that wait for one moment (room in a queue): all are resolved at once when it comes. Each takes part in an
// AbortSignal; none is left pending when the owner rejects them at its end.

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class Waiters {
  #waiting: Set<Waiter> | undefined;

  wait(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason as Error);
        return;
      }
      const waiting = (this.#waiting ??= new Set());
      const onAbort = (): void => {
        waiting.delete(waiter);
        reject(signal?.reason as Error);
      };
      const waiter: Waiter = {
        resolve: () => {
          signal?.removeEventListener("abort", onAbort);
          resolve();
        },
        reject: (error) => {
          signal?.removeEventListener("abort", onAbort);
          reject(error);
        },
      };
      waiting.add(waiter);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  get waiting(): boolean {
    return this.#waiting !== undefined && this.#waiting.size > 0;
  }

  resolve(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) for (const waiter of waiting) waiter.resolve();
  }

  reject(error: Error): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) for (const waiter of waiting) waiter.reject(error);
  }
}
