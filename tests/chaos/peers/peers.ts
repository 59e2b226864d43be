// The ways of writing a service that are compared, by the name of their column. Loaded one at a time.
import type { Peer } from "./types.ts";

export const peers: Readonly<Record<string, () => Promise<Peer>>> = {
  wherry: async () => (await import("./wherry.ts")).peer(true),
  "wherry-plain": async () => (await import("./wherry.ts")).peer(false),
  "zeromq.js": async () => (await import("./zeromq-js.ts")).peer,
  fastify: async () => (await import("./fastify.ts")).peer,
  "grpc-js": async () => (await import("./grpc-js.ts")).peer,
  moleculer: async () => (await import("./moleculer.ts")).peer,
};

export async function peerOf(name: string): Promise<Peer> {
  const load = peers[name];
  if (load === undefined) throw new Error(`peer: expected one of ${Object.keys(peers).join(", ")}, got ${name}`);
  return load();
}
