// The API server's own counters, in Prometheus' text format. Names are kube-apiserver's where it has one.

const escape = (text: string): string => text.replace(/[\\"\n]/g, (char) => (char === "\n" ? "\\n" : `\\${char}`));

/** A counter or gauge with labels; a series exists from its first change. */
export class Series {
  readonly name: string;
  readonly #help: string;
  readonly #type: "counter" | "gauge";
  readonly #values = new Map<string, number>();

  constructor(name: string, type: "counter" | "gauge", help: string) {
    this.name = name;
    this.#type = type;
    this.#help = help;
  }

  add(labels: Readonly<Record<string, string>> = {}, by = 1): void {
    const key = Object.entries(labels)
      .map(([label, value]) => `${label}="${escape(value)}"`)
      .join(",");
    this.#values.set(key, (this.#values.get(key) ?? 0) + by);
  }

  set(value: number): void {
    this.#values.set("", value);
  }

  /** The sum over all labels. */
  get total(): number {
    return [...this.#values.values()].reduce((sum, value) => sum + value, 0);
  }

  render(): string {
    const lines = [...this.#values].map(([key, value]) => `${this.name}${key === "" ? "" : `{${key}}`} ${value}\n`);
    return `# HELP ${this.name} ${this.#help}\n# TYPE ${this.name} ${this.#type}\n${lines.join("")}`;
  }
}

export class ApiMetrics {
  /** Labels verb, group, resource, subresource, code. Their values come from the routing table, so they are few. */
  readonly requests: Series = new Series("apiserver_request_total", "counter", "Requests answered.");
  readonly watches: Series = new Series("apiserver_longrunning_requests", "gauge", "Watches open.");
  readonly watchEvents: Series = new Series(
    "apiserver_watch_events_total",
    "counter",
    "Watch events handed to clients.",
  );
  readonly revision: Series = new Series("wherry_store_revision", "gauge", "The newest revision of the store.");
  /** Labels reason: host, origin, target, auth, busy. */
  readonly refused: Series = new Series(
    "wherry_api_refused_total",
    "counter",
    "Requests refused before they were routed.",
  );
  /** Labels reason: Node's error code. */
  readonly dropped: Series = new Series(
    "wherry_api_connections_dropped_total",
    "counter",
    "Connections dropped for malformed HTTP, failed TLS handshakes or timeouts.",
  );
  readonly connections: Series = new Series("wherry_api_connections", "gauge", "Connections open.");
  readonly #all = [
    this.requests,
    this.watches,
    this.watchEvents,
    this.revision,
    this.refused,
    this.dropped,
    this.connections,
  ];

  render(): string {
    return this.#all.map((series) => series.render()).join("");
  }
}
