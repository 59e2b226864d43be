// Keeps one listener per port of every Service with an address of this machine, and the names of Services in a file. It forwards TCP
// in this process; it never touches the machine's routing or firewall.
import type { Server } from "node:net";
import { type EndpointSlice, resources, type Service, type ServicePort as PortSpec, type Stored } from "@wherry/kube";
import { createEventRecorder, type EventRecorder, keyOf, type LoopEnvironment } from "@wherry/kube/controller";
import { Affinity, backendsOf } from "./backends.ts";
import { HostsFile, hostsText } from "./hosts-file.ts";
import { affinityClientsMax } from "./limits.ts";
import { ServicePort } from "./service-port.ts";
import { type Slot, takeOver } from "./slots.ts";

export interface ServiceProxyOptions extends LoopEnvironment {
  /** The cluster's slot: its listener becomes the `kubernetes` Service's. */
  readonly slot?: Slot;
  /** Where the names of Services are written for the pods. */
  readonly hostsFile?: string;
}

export interface ServiceProxy {
  /** Is this port of the Service (key `namespace/name`) open? */
  listening(service: string, port: number): boolean;
  /** Resolves once all changes seen so far are in the hosts file. */
  flush(): Promise<void>;
}

const serviceNameLabel = "kubernetes.io/service-name";

/** Runs until the signal aborts, which closes every listener and connection. Informers are the caller's to start. */
export function startServiceProxy(options: ServiceProxyOptions, signal: AbortSignal): ServiceProxy {
  return new TcpServiceProxy(options, signal);
}

interface OpenPort {
  readonly id: string;
  readonly port: ServicePort;
  /** What of the Service it was opened for. */
  readonly host: string;
  readonly spec: PortSpec;
}

class TcpServiceProxy implements ServiceProxy {
  readonly #options: ServiceProxyOptions;
  readonly #events: EventRecorder;
  readonly #services = new Map<string, Stored<Service>>();
  readonly #slices = new Map<string, Map<string, EndpointSlice>>();
  readonly #open = new Map<string, OpenPort[]>();
  readonly #affinities = new Map<string, { readonly seconds: number; readonly affinity: Affinity }>();
  /** Closed to new connections, but with some still open. */
  readonly #closing = new Set<ServicePort>();
  readonly #hosts: HostsFile | undefined;
  #claimed: Server | undefined;

  constructor(options: ServiceProxyOptions, signal: AbortSignal) {
    this.#options = options;
    const { client, clock, random, log, informers, hostsFile } = options;
    this.#events = createEventRecorder(client, { component: "service-proxy", clock, random, log });
    this.#claimed = options.slot?.listener;
    this.#hosts =
      hostsFile === undefined
        ? undefined
        : new HostsFile({
            path: hostsFile,
            clock,
            log,
            text: () => hostsText([...this.#services.values()], (service) => this.#slicesOf(keyOf(service))),
          });
    signal.addEventListener("abort", () => this.#stop(), { once: true });
    informers.for(resources.endpointslices).onChange((next, previous) => {
      if (!signal.aborted) this.#sliceChanged(next, previous);
    });
    informers.for(resources.services).onChange((next, previous) => {
      const service = next ?? previous;
      if (service !== undefined && !signal.aborted) this.#serviceChanged(keyOf(service), next);
    });
  }

  listening(service: string, port: number): boolean {
    return this.#open.get(service)?.some((open) => open.spec.port === port && open.port.listening) === true;
  }

  async flush(): Promise<void> {
    await this.#hosts?.flush();
  }

  #slicesOf(service: string): Iterable<EndpointSlice> {
    return this.#slices.get(service)?.values() ?? [];
  }

  #sliceChanged(next: Stored<EndpointSlice> | undefined, previous: Stored<EndpointSlice> | undefined): void {
    const old = previous === undefined ? undefined : serviceOf(previous);
    if (previous !== undefined && old !== undefined) {
      const slices = this.#slices.get(old);
      slices?.delete(previous.metadata.name);
      if (slices?.size === 0) this.#slices.delete(old);
    }
    const service = next === undefined ? undefined : serviceOf(next);
    if (next !== undefined && service !== undefined) {
      const slices = this.#slices.get(service) ?? new Map<string, EndpointSlice>();
      this.#slices.set(service, slices.set(next.metadata.name, next));
    }
    const headless = [old, service].some(
      (key) => key !== undefined && this.#services.get(key)?.spec?.clusterIP === "None",
    );
    if (headless) this.#hosts?.touch();
  }

  #serviceChanged(key: string, service: Stored<Service> | undefined): void {
    if (service === undefined) {
      this.#services.delete(key);
      this.#affinities.delete(key);
    } else this.#services.set(key, service);
    this.#hosts?.touch();
    const wanted = service === undefined ? [] : this.#portsOf(service);
    const now: OpenPort[] = [];
    for (const open of this.#open.get(key) ?? []) {
      const same = wanted.find((port) => port.id === open.id);
      // The listener stays when only its name or target has changed: backends are asked for at each connection.
      if (same === undefined) this.#close(open.port);
      else now.push({ ...open, spec: same.spec });
    }
    for (const { id, host, spec } of wanted)
      if (!now.some((open) => open.id === id)) now.push({ id, host, spec, port: this.#openPort(key, host, spec.port) });
    if (now.length > 0) this.#open.set(key, now);
    else this.#open.delete(key);
  }

  /** The ports to listen on; what can't be forwarded is said in an event. */
  #portsOf(
    service: Stored<Service>,
  ): readonly { readonly id: string; readonly host: string; readonly spec: PortSpec }[] {
    const { clusterIP, type, ports = [] } = service.spec ?? {};
    if (type === "ExternalName" || clusterIP === undefined || clusterIP === "" || clusterIP === "None") return [];
    if (!clusterIP.startsWith("127.")) {
      this.#warn(
        service,
        "AddressNotHonoured",
        `ClusterIP ${clusterIP} is no loopback address, and is not listened on`,
      );
      return [];
    }
    const other = ports.filter((port) => (port.protocol ?? "TCP") !== "TCP");
    if (other.length > 0)
      this.#warn(
        service,
        "ProtocolNotHonoured",
        `only TCP is forwarded: ${other.map((port) => `${port.protocol ?? ""} ${port.port}`).join(", ")} is not`,
      );
    if (type === "NodePort" || type === "LoadBalancer")
      this.#warn(
        service,
        "TypeNotHonoured",
        `type ${type} is reachable at its ClusterIP ${clusterIP} only: node ports are not opened yet`,
      );
    const ignored = notHonoured(service);
    if (ignored.length > 0) this.#warn(service, "FieldsNotHonoured", `not honoured: ${ignored.join(", ")}`);
    return ports
      .filter((port) => (port.protocol ?? "TCP") === "TCP")
      .map((spec) => ({ id: `${clusterIP}:${spec.port}`, host: clusterIP, spec }));
  }

  #openPort(key: string, host: string, port: number): ServicePort {
    const { clock, random, slot } = this.#options;
    const claimed =
      slot !== undefined && host === slot.kubernetesAddress && port === slot.port ? this.#claimed : undefined;
    if (claimed !== undefined) {
      takeOver(claimed);
      this.#claimed = undefined;
    }
    return new ServicePort({
      host,
      port,
      clock,
      random,
      backends: () => backendsOf(this.#slicesOf(key), this.#nameOf(key, port)),
      affinity: () => this.#affinityOf(key),
      onTrouble: (error) => this.#trouble(key, host, port, error),
      ...(claimed === undefined ? {} : { listener: claimed }),
    });
  }

  #nameOf(key: string, port: number): string {
    return (
      this.#services.get(key)?.spec?.ports?.find((spec) => spec.port === port && (spec.protocol ?? "TCP") === "TCP")
        ?.name ?? ""
    );
  }

  #affinityOf(key: string): Affinity | undefined {
    const spec = this.#services.get(key)?.spec;
    if (spec?.sessionAffinity !== "ClientIP") return undefined;
    const seconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800;
    const known = this.#affinities.get(key);
    if (known?.seconds === seconds) return known.affinity;
    const affinity = new Affinity(seconds * 1000, affinityClientsMax);
    this.#affinities.set(key, { seconds, affinity });
    return affinity;
  }

  #trouble(key: string, host: string, port: number, error: NodeJS.ErrnoException): void {
    const service = this.#services.get(key);
    this.#options.log.warn({ err: error, service: key, host, port }, "a Service's address can't be listened on");
    if (service === undefined) return;
    const what =
      error.code === "EACCES"
        ? `port ${port} needs rights that this user hasn't: choose a port from 1024 on, or allow it (sysctl net.ipv4.ip_unprivileged_port_start=${port})`
        : error.code === "EADDRINUSE"
          ? `${host}:${port} is taken by another program: stop it (ss -ltnp 'sport = :${port}' shows it), or change the Service's port`
          : `${host}:${port} can't be listened on: ${error.message}`;
    this.#warn(service, "ListenFailed", what);
  }

  #warn(service: Stored<Service>, reason: string, message: string): void {
    this.#events.event(service, "Warning", reason, message);
  }

  #close(port: ServicePort): void {
    port.close();
    for (const closing of this.#closing) if (closing.connections === 0) this.#closing.delete(closing);
    if (port.connections > 0) this.#closing.add(port);
  }

  #stop(): void {
    this.#hosts?.close();
    for (const open of [...this.#open.values()].flat()) open.port.destroy();
    for (const port of this.#closing) port.destroy();
    this.#open.clear();
  }
}

function serviceOf(slice: Stored<EndpointSlice>): string | undefined {
  const name = slice.metadata.labels?.[serviceNameLabel];
  return name === undefined ? undefined : `${slice.metadata.namespace ?? "default"}/${name}`;
}

/** Fields of a Service that ask for what this proxy does not do. */
function notHonoured({ spec }: Service): readonly string[] {
  const found: string[] = [];
  if (spec?.internalTrafficPolicy === "Local") found.push("internalTrafficPolicy Local (all nodes are this machine)");
  if ((spec?.externalIPs?.length ?? 0) > 0) found.push("externalIPs");
  if (spec?.loadBalancerIP !== undefined) found.push("loadBalancerIP");
  return found;
}
