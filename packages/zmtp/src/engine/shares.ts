// Whose the connections are that came in, for a socket that leaves nobody all of them: a user's who has proven to be one, else those of the
// host that they come from. Counts alone: how many are too many, the application says.
import { hostOf } from "../endpoint.ts";
import type { SocketOptions } from "../options.ts";
import type { Problem } from "../wire/problem.ts";

type MayConnect = NonNullable<SocketOptions["mayConnect"]>;

export class Shares<Link> {
  readonly #mayConnect: MayConnect;
  readonly #peersMax: number;
  readonly #own: Map<string, number> = new Map();
  readonly #whose: Map<Link, string> = new Map();

  constructor(mayConnect: MayConnect, peersMax: number) {
    this.#mayConnect = mayConnect;
    this.#peersMax = peersMax;
  }

  /**
   * May one more come in from there? What has no host, in this process or by a file, may.
   * @param used connections that there are
   */
  judge(address: string, used: number): Problem | undefined {
    const host = hostOf(address);
    return host === undefined ? undefined : this.#judge(hostName(host), host, used);
  }

  /** It has come in, and counts for its host. */
  enter(link: Link, address: string): void {
    const host = hostOf(address);
    if (host !== undefined) this.#count(link, hostName(host));
  }

  /** Its peer has proven to be `userId`: what came in counts for that user from here on, if he may have it. */
  prove(link: Link, userId: string, used: number): Problem | undefined {
    if (!this.#whose.has(link)) return undefined;
    this.leave(link);
    const name = `user ${userId}`;
    const problem = this.#judge(name, userId, used - 1);
    if (problem === undefined) this.#count(link, name);
    return problem;
  }

  leave(link: Link): void {
    const name = this.#whose.get(link);
    if (name === undefined) return;
    this.#whose.delete(link);
    const left = (this.#own.get(name) ?? 0) - 1;
    if (left > 0) this.#own.set(name, left);
    else this.#own.delete(name);
  }

  #count(link: Link, name: string): void {
    this.#whose.set(link, name);
    this.#own.set(name, (this.#own.get(name) ?? 0) + 1);
  }

  #judge(name: string, who: string, used: number): Problem | undefined {
    const own = this.#own.get(name) ?? 0;
    if (this.#mayConnect(own, used, this.#peersMax)) return undefined;
    const detail = `${own} of ${used} connections are those of ${who}; the rest of ${this.#peersMax} is for others`;
    return { reason: "too-many-peers", detail };
  }
}

function hostName(host: string): string {
  return `host ${host}`;
}
