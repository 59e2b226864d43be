// For tests: a connection that breaks at one write, and what follows.
import { WherryError } from "@wherry/core";
import type { Transport } from "@wherry/kube/client";
import { startTestCluster, type TestCluster } from "./cluster.suite.ts";

/** A crash before a write is one after the write before it. */
export type Mishap = "refused" | "done, but its answer is lost" | "the last one before a crash";

export const mishaps: readonly Mishap[] = ["refused", "done, but its answer is lost", "the last one before a crash"];

export interface Perturbed extends AsyncDisposable {
  readonly cluster: TestCluster;
  /** From here on writes are counted. */
  arm(): void;
  /** True when the write that was to be hit was made. */
  readonly hit: boolean;
}

/**
 * A cluster whose controllers meet a mishap at the `at`-th write (from 1) to one of these resources. After a crash every
 * further request of theirs fails, and new controllers take over.
 */
export async function startPerturbed(at: number, mishap: Mishap, plurals: readonly string[]): Promise<Perturbed> {
  const watched = new Set(plurals);
  let [armed, hit, dead, writes] = [false, false, false, 0];
  let takeOver = (): void => undefined;
  const unreachable = (): WherryError =>
    new WherryError("expected an answer of the API server, the connection broke", {
      code: "KUBE_UNREACHABLE",
      retryable: true,
    });
  const wrap = (inner: Transport): Transport => ({
    ...inner,
    async request(request) {
      if (dead) throw unreachable();
      const counts = armed && request.method !== "GET" && request.path.some((segment) => watched.has(segment));
      if (!counts || ++writes !== at) return inner.request(request);
      hit = true;
      dead = mishap === "the last one before a crash";
      if (mishap !== "refused") await inner.request(request);
      if (dead) takeOver();
      throw unreachable();
    },
  });
  const cluster = await startTestCluster({ wrap });
  takeOver = () => void cluster.startControllers();
  return {
    cluster,
    arm: () => (armed = true),
    get hit() {
      return hit;
    },
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}
