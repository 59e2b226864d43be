// Elasticsearch and OpenSearch: the bulk API, NDJSON, into one index or data stream. An answer of 200 still says of each record
// whether it was stored (https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk-1).
import { type Endpoint, Poster } from "./http.ts";
import { type Aggregator, type Delivery, delivered } from "./types.ts";

interface BulkAnswer {
  readonly errors?: boolean;
  readonly items?: readonly {
    readonly create?: { readonly status?: number; readonly error?: { readonly reason?: string } };
  }[];
}

export class Elasticsearch implements Aggregator {
  readonly name: string;
  readonly #poster: Poster;

  /** @param endpoint whose path is the index. */
  constructor({ url, ...endpoint }: Endpoint) {
    this.name = `elasticsearch+${url.origin}${url.pathname}`;
    const bulk = new URL(url);
    bulk.pathname = `${url.pathname.replace(/\/+$/, "")}/_bulk`;
    // Only what is looked at: the whole answer repeats each record's metadata.
    bulk.searchParams.set("filter_path", "errors,items.create.status,items.create.error.reason");
    this.#poster = new Poster({ ...endpoint, url: bulk });
  }

  async send(lines: readonly string[], signal: AbortSignal): Promise<Delivery> {
    // `create`, not `index`: data streams take nothing else.
    const body = lines.map((line) => `{"create":{}}\n${documentOf(line)}\n`).join("");
    const { status, text } = await this.#poster.post("application/x-ndjson", body, signal);
    if (status === "refused") return { rejected: [...lines.keys()], again: [], reason: text };
    const answer = JSON.parse(text) as BulkAnswer;
    return answer.errors === true ? deliveryOf(lines, answer) : delivered;
  }

  close(): void {
    this.#poster.close();
  }
}

/** The record, with its time by the name that Elasticsearch and Kibana sort by. */
function documentOf(line: string): string {
  const { time } = JSON.parse(line) as { readonly time?: unknown };
  return `{"@timestamp":${JSON.stringify(time)},${line.slice(1)}`;
}

function deliveryOf(lines: readonly string[], { items = [] }: BulkAnswer): Delivery {
  const rejected: number[] = [];
  const again: number[] = [];
  let reason: string | undefined;
  for (const index of lines.keys()) {
    // Of a record that the answer leaves out nothing is known.
    const { status = 500, error } = items[index]?.create ?? {};
    if (status < 300) continue;
    (status === 429 || status >= 500 ? again : rejected).push(index);
    reason ??= error?.reason ?? `status ${status}`;
  }
  return { rejected, again, ...(reason === undefined ? {} : { reason }) };
}
