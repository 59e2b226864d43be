// Reads the ConfigMaps, Secrets and tokens that a pod refers to, in its own namespace only.
import type { Clock } from "@wherry/core";
import { type ConfigMap, type KubeObject, type Pod, resources, type Secret, StatusError } from "@wherry/kube";
import type { KubeClient, Resource } from "@wherry/kube/client";
import type { References } from "../environment/environment.ts";
import { configError } from "../errors.ts";
import { tokenLifetimeSeconds, tokenRenewShare } from "../limits.ts";

export function referencesOf(client: KubeClient, namespace: string): References {
  return {
    configMap: async (name) => await found<ConfigMap>(client, resources.configmaps, name, namespace),
    secret: async (name) => await found<Secret>(client, resources.secrets, name, namespace),
  };
}

async function found<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  name: string,
  namespace: string,
): Promise<T | undefined> {
  try {
    return await client.get(resource, name, namespace);
  } catch (error) {
    if (error instanceof StatusError && error.reason === "NotFound") return undefined;
    throw error;
  }
}

interface Token {
  readonly text: string;
  readonly renewAtMs: number;
}

interface TokenRequest extends KubeObject {
  readonly spec: {
    readonly audiences?: readonly string[];
    readonly expirationSeconds: number;
    readonly boundObjectRef: {
      readonly kind: string;
      readonly apiVersion: string;
      readonly name: string;
      readonly uid: string;
    };
  };
  readonly status?: { readonly token?: string; readonly expirationTimestamp?: string };
}

/** The tokens of one pod, bound to it, each renewed after 80 % of its life. */
export class PodTokens {
  readonly #client: KubeClient;
  readonly #clock: Clock;
  readonly #pod: Pod;
  readonly #tokens = new Map<string, Token>();

  constructor(client: KubeClient, clock: Clock, pod: Pod) {
    this.#client = client;
    this.#clock = clock;
    this.#pod = pod;
  }

  /** When the first of them must be renewed; infinite without any. */
  get renewAtMs(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...[...this.#tokens.values()].map((token) => token.renewAtMs));
  }

  async get(audience: string | undefined, lifetimeSeconds: number = tokenLifetimeSeconds): Promise<string> {
    const key = `${audience ?? ""} ${lifetimeSeconds}`;
    const known = this.#tokens.get(key);
    if (known !== undefined && known.renewAtMs > this.#clock.now()) return known.text;
    const { name = "", namespace = "", uid = "" } = this.#pod.metadata ?? {};
    const account = this.#pod.spec?.serviceAccountName ?? "default";
    const request: TokenRequest = {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: {
        ...(audience === undefined ? {} : { audiences: [audience] }),
        expirationSeconds: lifetimeSeconds,
        boundObjectRef: { kind: "Pod", apiVersion: "v1", name, uid },
      },
    };
    const answer = await this.#client
      .createSubresource<TokenRequest>(resources.serviceaccounts, { name: account, namespace }, "token", request)
      .catch((error: unknown) => {
        if (error instanceof StatusError && error.reason === "NotFound")
          throw configError(`serviceaccount "${account}" not found`);
        throw error;
      });
    const text = answer.status?.token;
    if (text === undefined) throw configError(`the API gave no token for serviceaccount "${account}"`);
    const nowMs = this.#clock.now();
    const expiresMs = Date.parse(answer.status?.expirationTimestamp ?? "") || nowMs + lifetimeSeconds * 1000;
    this.#tokens.set(key, { text, renewAtMs: nowMs + (expiresMs - nowMs) * tokenRenewShare });
    return text;
  }
}
