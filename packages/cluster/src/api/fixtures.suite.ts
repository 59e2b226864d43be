// For tests only: objects as users write them, and what they are refused with.
import { type Deployment, type Pod, StatusError } from "@wherry/kube";

export const pod = (name: string, more: Partial<Pod> = {}): Pod => ({
  metadata: { name, namespace: "default" },
  spec: { containers: [{ name: "c", image: "echo:dev" }] },
  ...more,
});

export const deployment = (name: string): Deployment => ({
  metadata: { name, namespace: "default" },
  spec: {
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: "c", image: "echo:dev" }] } },
  },
});

/** The refusal that `work` must end in. */
export const refusal = async (work: Promise<unknown>): Promise<StatusError> => {
  const outcome = await work.then(
    () => undefined,
    (problem: unknown) => problem,
  );
  if (outcome instanceof StatusError) return outcome;
  throw new Error(`expected a refusal, got ${String(outcome)}`);
};

export const at = (name: string): { name: string; namespace: string } => ({ name, namespace: "default" });
