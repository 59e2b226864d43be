// Where a node agent keeps what must outlive it. Names come from validated objects and are checked again here, because they
// become paths.
import { join } from "node:path";
import { assert } from "@wherry/core";
import type { Pod } from "@wherry/kube";

/** Validated names never need anything else; no `/`, no `..`, no leading dot. */
const safeName = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;

export class Folders {
  /** The cluster's state folder. */
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  get pods(): string {
    return join(this.root, "pods");
  }

  pod(uid: string): string {
    return join(this.pods, safe(uid));
  }

  volumes(uid: string): string {
    return join(this.pod(uid), "volumes");
  }

  container(uid: string, container: string): string {
    return join(this.pod(uid), "containers", safe(container));
  }

  instance(uid: string, container: string, attempt: number): string {
    return join(this.container(uid, container), String(attempt));
  }

  logs(pod: Pod): string {
    const { namespace = "", name = "", uid = "" } = pod.metadata ?? {};
    return join(this.root, "logs", "pods", `${safe(namespace)}_${safe(name)}_${safe(uid)}`);
  }

  /** Of pods that are gone. */
  get keptLogs(): string {
    return join(this.root, "logs", "gone");
  }

  log(pod: Pod, container: string, attempt: number): string {
    return join(this.logs(pod), safe(container), `${attempt}.log`);
  }
}

function safe(name: string): string {
  assert(safeName.test(name) && name.length <= 253, `${JSON.stringify(name)} can be part of a path`);
  return name;
}
