// What a node has and what is taken of it, kept up to date pod by pod, so that a decision never counts pods.
import type { Node } from "@wherry/kube";
import { type Amounts, amountsOf, type HostPort, type PodRequests } from "./requests.ts";

export class NodeState {
  readonly name: string;
  /** Undefined while pods are bound to a node that is not (or no longer) known. */
  node: Node | undefined;
  allocatable: Amounts = new Map();
  scoredMilliCpu = 0;
  scoredMemory = 0;
  readonly #requested = new Map<string, number>();
  /** Pods by `protocol/port`, one entry per address. */
  readonly #hostPorts = new Map<string, string[]>();
  /** Pods by the group that they are spread with. */
  readonly #groups = new Map<string, number>();
  #pods = 0;

  constructor(name: string) {
    this.name = name;
  }

  get pods(): number {
    return this.#pods;
  }

  setNode(node: Node | undefined): void {
    this.node = node;
    this.allocatable = amountsOf(node?.status?.allocatable);
  }

  requested(resource: string): number {
    return this.#requested.get(resource) ?? 0;
  }

  podsOfGroup(group: string): number {
    return this.#groups.get(group) ?? 0;
  }

  /** 0.0.0.0 stands for every address: it clashes with all of the same port and protocol. */
  hasPort({ ip, protocol, port }: HostPort): boolean {
    const taken = this.#hostPorts.get(`${protocol}/${port}`) ?? [];
    return ip === "0.0.0.0" ? taken.length > 0 : taken.some((other) => other === ip || other === "0.0.0.0");
  }

  add(requests: PodRequests, group: string | undefined): void {
    this.#count(requests, group, 1);
    for (const { ip, protocol, port } of requests.hostPorts) {
      const key = `${protocol}/${port}`;
      this.#hostPorts.set(key, [...(this.#hostPorts.get(key) ?? []), ip]);
    }
  }

  remove(requests: PodRequests, group: string | undefined): void {
    this.#count(requests, group, -1);
    for (const { ip, protocol, port } of requests.hostPorts) {
      const key = `${protocol}/${port}`;
      const taken = [...(this.#hostPorts.get(key) ?? [])];
      taken.splice(taken.indexOf(ip), 1);
      if (taken.length === 0) this.#hostPorts.delete(key);
      else this.#hostPorts.set(key, taken);
    }
  }

  #count(requests: PodRequests, group: string | undefined, sign: 1 | -1): void {
    this.#pods += sign;
    this.scoredMilliCpu += sign * requests.scoredMilliCpu;
    this.scoredMemory += sign * requests.scoredMemory;
    for (const [name, amount] of requests.amounts)
      this.#requested.set(name, (this.#requested.get(name) ?? 0) + sign * amount);
    if (group === undefined) return;
    const count = (this.#groups.get(group) ?? 0) + sign;
    if (count === 0) this.#groups.delete(group);
    else this.#groups.set(group, count);
  }
}
