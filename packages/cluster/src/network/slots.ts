// Every cluster of a machine takes a slot S: the addresses 127.S.0.0/16. The claim is a listener on the `kubernetes` Service's own
// address, so that the kernel keeps two clusters apart, and a dead cluster's slot is free at once.
import { createServer, type Server } from "node:net";
import { WherryError } from "@wherry/core";
import { slotMax, slotMin } from "./limits.ts";

export interface Slot {
  /** S, the second octet. */
  readonly number: number;
  /** Where ClusterIPs come from: `127.S.0.0/20`. */
  readonly serviceCidr: string;
  /** ClusterIP of the `kubernetes` Service: `127.S.0.1`. */
  readonly kubernetesAddress: string;
  /** Its port. */
  readonly port: number;
  /** The addresses of the n-th node, counted from 0. */
  node(index: number): { readonly ip: string; readonly podCidr: string };
  /** The listener that holds the claim. It turns connections away until the Service proxy takes it over. */
  readonly listener: Server;
  /** Gives the slot back. */
  release(): Promise<void>;
}

export interface ClaimOptions {
  /** The slot this cluster had before. */
  readonly preferred?: number;
  /** Only that one: its pods still run, on its addresses. */
  readonly only?: boolean;
  /** Of the `kubernetes` Service; below 1024 it could not be bound without rights. */
  readonly port: number;
}

/** Nodes have 4 third octets each, from 64 on: 127.S.64.0/22, 127.S.68.0/22, … */
const nodesPerSlotMax = (256 - 64) / 4;

/** @throws WherryError `NETWORK_SLOT_TAKEN` with what to do */
export async function claimSlot({ preferred, only, port }: ClaimOptions): Promise<Slot> {
  const all = Array.from({ length: slotMax - slotMin + 1 }, (_unused, index) => slotMin + index);
  const candidates = preferred === undefined ? all : only === true ? [preferred] : [preferred, ...all];
  let last: Error | undefined;
  for (const number of candidates) {
    const bound = await bind(`127.${number}.0.1`, port);
    if (!(bound instanceof Error)) return slot(number, port, bound);
    last = bound;
    // Anything but "in use" is the same for every slot.
    if (!("code" in bound) || bound.code !== "EADDRINUSE") break;
  }
  const what =
    only === true && preferred !== undefined
      ? `port ${port} of 127.${preferred}.0.1 must be free, because this cluster's pods run on the addresses 127.${preferred}.x.x`
      : `port ${port} must be free on one of the addresses 127.${slotMin}.0.1 to 127.${slotMax}.0.1`;
  throw new WherryError(
    `${what}, and ${last?.message ?? "is taken"}: stop what listens there (ss -ltnp 'sport = :${port}' shows it)`,
    {
      code: "NETWORK_SLOT_TAKEN",
      details: { port, preferred },
      cause: last,
    },
  );
}

async function bind(host: string, port: number): Promise<Server | Error> {
  return await new Promise((resolve) => {
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true });
    server.on("connection", turnAway);
    server.once("error", resolve);
    server.listen({ host, port, backlog: 511 }, () => {
      server.removeListener("error", resolve);
      resolve(server);
    });
  });
}

function turnAway(socket: { resetAndDestroy(): unknown }): void {
  socket.resetAndDestroy();
}

/** The claim's listener from now on serves connections. */
export function takeOver(listener: Server): void {
  listener.removeListener("connection", turnAway);
}

function slot(number: number, port: number, listener: Server): Slot {
  return {
    number,
    port,
    listener,
    serviceCidr: `127.${number}.0.0/20`,
    kubernetesAddress: `127.${number}.0.1`,
    node: (index) => {
      if (!Number.isInteger(index) || index < 0 || index >= nodesPerSlotMax)
        throw new RangeError(
          `a cluster has at most ${nodesPerSlotMax} nodes with processes: ${index} is no node's number`,
        );
      return { ip: `127.${number}.${64 + 4 * index}.1`, podCidr: `127.${number}.${64 + 4 * index}.0/22` };
    },
    release: async () => {
      if (listener.listening) await new Promise<void>((resolve) => listener.close(() => resolve()));
    },
  };
}
