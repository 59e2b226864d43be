// Grafana Loki's push API: the records as they are, in a stream for each service, pod and level; nothing else is a label, for each
// set of labels is an index of its own (https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs).
import { type Endpoint, Poster } from "./http.ts";
import { type Aggregator, type Delivery, delivered } from "./types.ts";

interface Stream {
  readonly stream: Readonly<Record<string, string>>;
  readonly values: [nanoseconds: string, line: string][];
}

export class Loki implements Aggregator {
  readonly name: string;
  readonly #poster: Poster;

  constructor({ url, ...endpoint }: Endpoint) {
    this.name = `loki+${url.origin}`;
    const push = new URL(url);
    if (push.pathname === "/") push.pathname = "/loki/api/v1/push";
    this.#poster = new Poster({ ...endpoint, url: push });
  }

  async send(lines: readonly string[], signal: AbortSignal): Promise<Delivery> {
    const streams = new Map<string, Stream>();
    for (const line of lines) {
      const record = JSON.parse(line) as Readonly<Record<string, unknown>>;
      const labels = Object.fromEntries(
        ["service", "pod", "level"]
          .filter((name) => typeof record[name] === "string")
          .map((name) => [name, String(record[name])]),
      );
      const key = JSON.stringify(labels);
      const stream = streams.get(key) ?? { stream: labels, values: [] };
      streams.set(key, stream);
      stream.values.push([`${Date.parse(String(record["time"]))}000000`, line]);
    }
    const body = JSON.stringify({ streams: [...streams.values()] });
    const { status, text } = await this.#poster.post("application/json", body, signal);
    return status === "taken" ? delivered : { rejected: [...lines.keys()], again: [], reason: text };
  }

  close(): void {
    this.#poster.close();
  }
}
