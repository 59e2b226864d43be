// What each way of writing a service has to bring for the comparison: the same echo, and a caller of it.

/** Milliseconds that a request works at the service. */
export const workMs = 5;
/** After so long without an answer a request counts as lost. */
export const deadlineMs = 5_000;

export interface Peer {
  /** Runs in a pod: serves, and ends on SIGTERM as its documentation advises. */
  serve(host: string, port: number): Promise<void>;
  /** @param address of the Kubernetes Service: HOST:PORT */
  connect(address: string): Promise<Caller>;
}

export interface Caller {
  /** Resolves when the answer has come; rejects with why none will. */
  call(id: number): Promise<void>;
  close(): Promise<void> | void;
}

/** Rejects when no answer came in time. */
export async function within(answer: Promise<unknown>): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error("no answer")), deadlineMs);
  try {
    await Promise.race([answer, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
