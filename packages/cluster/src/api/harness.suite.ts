// For tests only: an API server on a memory store, with a clock that stands still.
import { SeededRandom, VirtualClock } from "@wherry/core/testing";
import { type Logger, silentLogger } from "@wherry/core";
import { badRequest } from "@wherry/kube";
import { createClient, type KubeClient } from "@wherry/kube/client";
import { generateKeyPairSync } from "node:crypto";
import { openMemoryBackend } from "../store/index.ts";
import type { Backend } from "../store/types.ts";
import { type Api, createApi, createTokens, localTransport, type PodLogs, type User } from "./index.ts";
import type { TokenIssuer } from "./tokens.ts";

export interface Harness {
  readonly api: Api;
  readonly backend: Backend;
  readonly clock: VirtualClock;
  readonly tokens: TokenIssuer;
  /** As an administrator. */
  readonly client: KubeClient;
  as(user: User): KubeClient;
  close(): Promise<void>;
}

export const root: User = { name: "root", groups: ["system:masters", "system:authenticated"] };

export const noLogs: PodLogs = {
  read: () => Promise.reject(badRequest("no logs here")),
};

export const signingKey = (): string =>
  generateKeyPairSync("ec", {
    namedCurve: "P-256",
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  }).privateKey;

export async function startApi(
  options: { readonly backend?: Backend; readonly log?: Logger; readonly podLogs?: PodLogs } = {},
): Promise<Harness> {
  const clock = new VirtualClock();
  const random = new SeededRandom(7);
  const backend = options.backend ?? openMemoryBackend();
  const tokens = await createTokens({ privateKey: signingKey(), clock, random });
  const api = await createApi({
    backend,
    clock,
    random,
    log: options.log ?? silentLogger,
    podLogs: options.podLogs ?? noLogs,
    serviceAddresses: "127.9.0.0/20",
    version: "0.0.0",
    tokens,
  });
  const as = (user: User): KubeClient => createClient(localTransport(api, user));
  return {
    api,
    backend,
    clock,
    tokens,
    client: as(root),
    as,
    async close() {
      api.close();
      await backend.close();
    },
  };
}
