// Services: each gets a ClusterIP of its own, for life, and node ports where its type has them
// (k8s: pkg/registry/core/service/storage/{alloc,storage}.go). Node ports are given out, but nothing listens on them yet.
import type { Random } from "@wherry/core";
import { type FieldError, invalid, type Mutable, resources, type Service, type ServiceSpec } from "@wherry/kube";
import type { Draft, StoredObject } from "../registry/objects.ts";
import type { Reservation, Strategy } from "../registry/strategy.ts";
import { AddressRange } from "./addresses.ts";

const nodePortFirst = 30_000;
const nodePortLast = 32_767;

interface Taken {
  readonly addresses: string[];
  readonly ports: number[];
}

export class ServiceStrategy implements Strategy {
  readonly #addresses: AddressRange;
  readonly #nodePorts = new Set<number>();
  readonly #random: Random;
  readonly answersDeleted = true;

  constructor(cidr: string, random: Random) {
    this.#addresses = new AddressRange(cidr, random);
    this.#random = random;
  }

  /** The `kubernetes` Service's. */
  get firstAddress(): string {
    return this.#addresses.first;
  }

  /** Called for each Service that is there when the API server starts. */
  restore(service: Service): void {
    for (const address of addressesOf(service.spec)) this.#addresses.take(address);
    for (const port of portsOf(service.spec)) this.#nodePorts.add(port);
  }

  prepareCreate(draft: Draft): void {
    draft.status = { loadBalancer: {} };
  }

  prepareUpdate(next: Draft, current: StoredObject): void {
    const spec = next.spec as Mutable<ServiceSpec> | undefined;
    const before = (current as Service).spec;
    if (spec === undefined || before === undefined || !hasAddress(spec) || !hasAddress(before)) return;
    // A client that leaves these out keeps what it has.
    if ((spec.clusterIP ?? "") === "" && before.clusterIP !== undefined) {
      spec.clusterIP = before.clusterIP;
      if (before.clusterIPs !== undefined) spec.clusterIPs = [...before.clusterIPs];
    }
    if (!hasNodePorts(spec) || !hasNodePorts(before)) return;
    for (const port of spec.ports ?? []) {
      const same = before.ports?.find((old) => old.port === port.port && old.protocol === port.protocol);
      if ((port.nodePort ?? 0) === 0 && same?.nodePort !== undefined) port.nodePort = same.nodePort;
    }
  }

  reserve(next: Draft, current: StoredObject | undefined): Reservation {
    const taken: Taken = { addresses: [], ports: [] };
    const cancel = (): void => this.#release(taken);
    // Without a spec it is refused by validation.
    const spec = (next.spec ?? {}) as Mutable<ServiceSpec>;
    if (next.spec === undefined) return { commit: () => undefined, cancel };
    const before = (current as Service | undefined)?.spec;
    try {
      this.#reserveAddress(spec, before, taken, next.metadata.name ?? "");
      this.#reservePorts(spec, before, taken, next.metadata.name ?? "");
    } catch (problem) {
      cancel();
      throw problem;
    }
    const kept = new Set([...addressesOf(spec), ...portsOf(spec).map(String)]);
    const commit = (): void => {
      this.#release({
        addresses: addressesOf(before).filter((address) => !kept.has(address)),
        ports: portsOf(before).filter((port) => !kept.has(String(port))),
      });
    };
    return { commit, cancel };
  }

  removed(object: StoredObject): void {
    const { spec } = object as Service;
    this.#release({ addresses: addressesOf(spec), ports: portsOf(spec) });
  }

  #release(taken: Taken): void {
    for (const address of taken.addresses) this.#addresses.release(address);
    for (const port of taken.ports) this.#nodePorts.delete(port);
  }

  #reserveAddress(spec: Mutable<ServiceSpec>, before: ServiceSpec | undefined, taken: Taken, name: string): void {
    if (!hasAddress(spec)) {
      delete spec.clusterIP;
      delete spec.clusterIPs;
      delete spec.ipFamilies;
      delete spec.ipFamilyPolicy;
      return;
    }
    const asked = spec.clusterIP ?? spec.clusterIPs?.[0] ?? "";
    const address = asked === "" ? this.#addresses.takeAny() : asked;
    if (address === undefined) throw refusal(name, "spec.clusterIPs", "failed to allocate IP: range is full");
    if (asked === "") taken.addresses.push(address);
    else if (asked !== "None" && !addressesOf(before).includes(asked)) this.#takeAsked(asked, taken, name);
    spec.clusterIP = address;
    spec.clusterIPs = [address];
    spec.ipFamilies ??= ["IPv4"];
    spec.ipFamilyPolicy ??= "SingleStack";
  }

  #takeAsked(address: string, taken: Taken, name: string): void {
    if (!this.#addresses.contains(address))
      throw refusal(
        name,
        "spec.clusterIPs",
        `Invalid value: ["${address}"]: failed to allocate IP ${address}: the provided IP is not in the valid range of Service addresses`,
      );
    if (!this.#addresses.take(address))
      throw refusal(
        name,
        "spec.clusterIPs",
        `Invalid value: ["${address}"]: failed to allocate IP ${address}: provided IP is already allocated`,
      );
    taken.addresses.push(address);
  }

  #reservePorts(spec: Mutable<ServiceSpec>, before: ServiceSpec | undefined, taken: Taken, name: string): void {
    const wanted = hasNodePorts(spec) && spec.allocateLoadBalancerNodePorts !== false;
    const held = new Set(portsOf(before));
    for (const [index, port] of (spec.ports ?? []).entries()) {
      if (!hasNodePorts(spec)) delete port.nodePort;
      const asked = port.nodePort ?? 0;
      if (asked === 0 && !wanted) continue;
      if (asked !== 0 && held.has(asked)) continue;
      port.nodePort = this.#takePort(asked, `spec.ports[${index}].nodePort`, name);
      taken.ports.push(port.nodePort);
    }
  }

  #takePort(asked: number, field: string, name: string): number {
    if (asked !== 0) {
      if (asked < nodePortFirst || asked > nodePortLast)
        throw refusal(
          name,
          field,
          `Invalid value: ${asked}: provided port is not in the valid range. The range of valid ports is ${nodePortFirst}-${nodePortLast}`,
        );
      if (this.#nodePorts.has(asked))
        throw refusal(name, field, `Invalid value: ${asked}: provided port is already allocated`);
      this.#nodePorts.add(asked);
      return asked;
    }
    const count = nodePortLast - nodePortFirst + 1;
    const start = this.#random.below(count);
    for (let step = 0; step < count; step++) {
      const port = nodePortFirst + ((start + step) % count);
      if (this.#nodePorts.has(port)) continue;
      this.#nodePorts.add(port);
      return port;
    }
    throw refusal(name, field, "failed to allocate a node port: range is full");
  }
}

const hasAddress = (spec: ServiceSpec): boolean => spec.type !== "ExternalName";
const hasNodePorts = (spec: ServiceSpec): boolean => spec.type === "NodePort" || spec.type === "LoadBalancer";

const addressesOf = (spec: ServiceSpec | undefined): string[] =>
  (spec?.clusterIPs ?? [spec?.clusterIP ?? ""]).filter((address) => address !== "" && address !== "None");

const portsOf = (spec: ServiceSpec | undefined): number[] =>
  (spec?.ports ?? []).flatMap(({ nodePort }) => (nodePort === undefined || nodePort === 0 ? [] : [nodePort]));

function refusal(name: string, field: string, message: string): Error {
  const error: FieldError = { field, reason: "FieldValueInvalid", message };
  return invalid(resources.services, name, [error]);
}
