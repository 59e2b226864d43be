// What each control loop of this folder is given.
import type { KubeObject, Stored } from "@wherry/kube";
import type { LoopEnvironment } from "@wherry/kube/controller";

/** Writes a Kubernetes event about an object; never fails, never waits. */
interface Recorder {
  event(about: Stored<KubeObject>, type: "Normal" | "Warning", reason: string, message: string): void;
}

export interface ControllerEnvironment extends LoopEnvironment {
  readonly recorder: Recorder;
}
