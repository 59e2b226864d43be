// The names of `inproc` endpoints: who has bound one, and who waits for somebody to do so. The order of bind and connect does not
// matter.

/** Gets the other end of a connection to a bound name. */
type Acceptor<Link> = (dialling: Link) => void;

export class InprocNames<Link> {
  readonly #bound: Map<string, Acceptor<Link>> = new Map();
  readonly #waiting: Map<string, Set<Link>> = new Map();

  /** @returns ends the binding; undefined when the name is taken. */
  bind(name: string, accept: Acceptor<Link>): (() => void) | undefined {
    if (this.#bound.has(name)) return undefined;
    this.#bound.set(name, accept);
    const dialling = this.#waiting.get(name) ?? [];
    this.#waiting.delete(name);
    for (const link of dialling) accept(link);
    return () => {
      if (this.#bound.get(name) === accept) this.#bound.delete(name);
    };
  }

  /** Hands the link to whoever has bound the name, or lets it wait for that. */
  dial(name: string, link: Link): void {
    const accept = this.#bound.get(name);
    if (accept !== undefined) {
      accept(link);
      return;
    }
    const links = this.#waiting.get(name) ?? new Set();
    this.#waiting.set(name, links);
    links.add(link);
  }

  /** It waits no longer. */
  forget(name: string, link: Link): void {
    const links = this.#waiting.get(name);
    if (links?.delete(link) === true && links.size === 0) this.#waiting.delete(name);
  }
}
