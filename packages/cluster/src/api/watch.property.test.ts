// Whoever lists and then watches, from wherever and with whatever selection, ends up with what is there: no event is missing,
// none comes twice, and each fits what came before it.
import { type ConfigMap, resources } from "@wherry/kube";
import fc from "fast-check";
import { expect, it } from "vitest";
import { type Harness, startApi } from "./harness.suite.ts";

const namespace = "default";

type Step =
  | { readonly do: "put"; readonly name: string; readonly tier: string }
  | { readonly do: "delete"; readonly name: string }
  | { readonly do: "follow"; readonly selector: string }
  /** The watch of a follower breaks off, and it goes on where it was. */
  | { readonly do: "resume"; readonly which: number };

const names = fc.constantFrom("a", "b", "c", "d");
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("put" as const), name: names, tier: fc.constantFrom("web", "db") }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("delete" as const), name: names }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("follow" as const),
      selector: fc.constantFrom("", "tier=web", "tier!=web"),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("resume" as const), which: fc.nat(5) }) },
);

/** An informer's cache, that complains about each event that can't be. */
class Follower {
  readonly held = new Map<string, string>();
  readonly complaints: string[] = [];
  readonly #harness: Harness;
  readonly #labelSelector: string;
  #abort = new AbortController();
  #version = "";

  constructor(harness: Harness, labelSelector: string) {
    this.#harness = harness;
    this.#labelSelector = labelSelector;
  }

  async #list(): Promise<Map<string, string>> {
    const { client } = this.#harness;
    const { items, metadata } = await client.list(resources.configmaps, {
      namespace,
      labelSelector: this.#labelSelector,
    });
    if (this.#version === "") this.#version = metadata.resourceVersion ?? "";
    return new Map(items.map((item) => [item.metadata.name, item.metadata.resourceVersion]));
  }

  async start(): Promise<void> {
    for (const [name, version] of await this.#list()) this.held.set(name, version);
    this.resume();
  }

  resume(): void {
    this.#abort.abort();
    this.#abort = new AbortController();
    void this.#follow(this.#abort.signal);
  }

  stop(): void {
    this.#abort.abort();
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const options = { namespace, labelSelector: this.#labelSelector, resourceVersion: this.#version, signal };
    for await (const { type, object } of this.#harness.client.watch<ConfigMap>(resources.configmaps, options)) {
      const { name = "", resourceVersion = "" } = object.metadata as { name?: string; resourceVersion?: string };
      if (Number(resourceVersion) <= Number(this.#version))
        this.complaints.push(`${resourceVersion} after ${this.#version}`);
      if (this.held.has(name) === (type === "ADDED")) this.complaints.push(`${type} ${name}`);
      this.#version = resourceVersion;
      if (type === "DELETED") this.held.delete(name);
      else this.held.set(name, resourceVersion);
    }
  }

  async settled(): Promise<void> {
    const wanted = await this.#list();
    await expect.poll(() => new Map([...this.held].sort())).toEqual(new Map([...wanted].sort()));
    expect(this.complaints).toEqual([]);
  }
}

async function take(harness: Harness, followers: Follower[], step: Step): Promise<void> {
  const { client } = harness;
  if (step.do === "follow") {
    const follower = new Follower(harness, step.selector);
    followers.push(follower);
    await follower.start();
  } else if (step.do === "resume") followers[step.which]?.resume();
  else if (step.do === "delete")
    await client.delete(resources.configmaps, { name: step.name, namespace }).catch(() => undefined);
  else {
    const labels = { tier: step.tier };
    const metadata = { name: step.name, namespace, labels };
    await client
      .create(resources.configmaps, { metadata })
      .catch(() => client.patch(resources.configmaps, metadata, "merge", { metadata: { labels } }));
  }
}

it("a list and the watch after it add up to what is there (property)", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const harness = await startApi();
      const followers: Follower[] = [];
      try {
        await harness.client.create(resources.namespaces, { metadata: { name: namespace } });
        for (const one of steps) await take(harness, followers, one);
        for (const follower of followers) await follower.settled();
      } finally {
        for (const follower of followers) follower.stop();
        await harness.close();
      }
    }),
    { numRuns: 60 },
  );
});
