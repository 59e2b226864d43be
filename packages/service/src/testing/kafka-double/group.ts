// A consumer group as Kafka's coordinator keeps it, with the classic protocol: members join, the leader shares out, a generation fences
// those that were left behind (https://cwiki.apache.org/confluence/display/KAFKA/Kafka+Client-side+Assignment+Proposal). For tests only.
import { randomUUID } from "node:crypto";
import type { Clock, Timer } from "@wherry/core";
import { errorCode } from "./log.ts";

interface Protocol {
  readonly name: string;
  readonly metadata: Buffer;
}

export interface JoinRequest {
  readonly memberId: string;
  readonly sessionMs: number;
  readonly rebalanceMs: number;
  readonly protocols: readonly Protocol[];
}

export interface Joined {
  readonly error: number;
  readonly generation: number;
  readonly protocol: string;
  readonly leader: string;
  readonly memberId: string;
  /** For the leader alone. */
  readonly members: readonly { readonly id: string; readonly metadata: Buffer }[];
}

export interface Synced {
  readonly error: number;
  readonly assignment: Buffer;
}

interface Member extends JoinRequest {
  readonly id: string;
  joining: ((joined: Joined) => void) | undefined;
  syncing: ((synced: Synced) => void) | undefined;
  session: Timer | undefined;
}

export interface CommittedOffset {
  readonly offset: bigint;
  readonly leaderEpoch: number;
  readonly metadata: string | null;
}

/** Milliseconds that the first member waits for others: Kafka's `group.initial.rebalance.delay.ms`, which is 3 s there. */
const initialDelayMs = 30;

export class Group {
  /** By `topic:partition`. */
  readonly offsets: Map<string, CommittedOffset> = new Map();
  #state: "empty" | "preparing" | "completing" | "stable" = "empty";
  #generation = 0;
  #leader = "";
  #protocol = "";
  readonly #members: Map<string, Member> = new Map();
  readonly #promised: Set<string> = new Set();
  readonly #clock: Clock;
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  join(request: JoinRequest): Promise<Joined> {
    const refuse = (error: number, memberId = request.memberId): Promise<Joined> =>
      Promise.resolve({ error, generation: -1, protocol: "", leader: "", memberId, members: [] });
    if (request.memberId === "") {
      const id = `member-${randomUUID()}`;
      this.#promised.add(id);
      return refuse(errorCode.memberIdRequired, id);
    }
    const known = this.#members.get(request.memberId);
    if (known === undefined && !this.#promised.delete(request.memberId)) return refuse(errorCode.unknownMember);
    return new Promise((resolve) => {
      known?.joining?.({
        error: errorCode.unknownMember,
        generation: -1,
        protocol: "",
        leader: "",
        memberId: "",
        members: [],
      });
      const member: Member = {
        ...request,
        id: request.memberId,
        joining: resolve,
        syncing: undefined,
        session: known?.session,
      };
      this.#members.set(member.id, member);
      this.#alive(member);
      this.#prepare();
    });
  }

  /** All members shall join again; who doesn't in time is out. */
  #prepare(): void {
    const first = this.#state === "empty";
    if (this.#state !== "preparing") {
      this.#state = "preparing";
      for (const member of this.#members.values()) this.#answerSync(member, errorCode.rebalanceInProgress);
      const limitMs = first
        ? initialDelayMs
        : Math.max(0, ...[...this.#members.values()].map(({ rebalanceMs }) => rebalanceMs));
      this.#timer?.cancel();
      this.#timer = this.#clock.timer(limitMs, () => this.#complete(), { background: true });
      this.#initial = first;
    }
    if (!this.#initial && [...this.#members.values()].every(({ joining }) => joining !== undefined)) this.#complete();
  }

  #initial = false;

  #complete(): void {
    this.#timer?.cancel();
    for (const member of [...this.#members.values()]) if (member.joining === undefined) this.#remove(member);
    const members = [...this.#members.values()];
    const [leader] = members;
    if (leader === undefined) {
      this.#state = "empty";
      return;
    }
    this.#generation++;
    this.#state = "completing";
    this.#leader = leader.id;
    const common = leader.protocols.find(({ name }) =>
      members.every(({ protocols }) => protocols.some((protocol) => protocol.name === name)),
    );
    this.#protocol = common?.name ?? "";
    const metadataOf = ({ protocols }: Member): Buffer =>
      protocols.find(({ name }) => name === this.#protocol)?.metadata ?? Buffer.alloc(0);
    for (const member of members) {
      const error = common === undefined ? errorCode.inconsistentGroupProtocol : errorCode.none;
      const all = member === leader ? members.map((one) => ({ id: one.id, metadata: metadataOf(one) })) : [];
      const fixed = { generation: this.#generation, protocol: this.#protocol, leader: leader.id, memberId: member.id };
      member.joining?.({ error, ...fixed, members: all });
      member.joining = undefined;
    }
  }

  sync(memberId: string, generation: number, assignments: ReadonlyMap<string, Buffer>): Promise<Synced> {
    const error = this.check(memberId, generation);
    const member = this.#members.get(memberId);
    const refuse = (code: number): Promise<Synced> => Promise.resolve({ error: code, assignment: Buffer.alloc(0) });
    if (error !== errorCode.none || member === undefined) return refuse(error);
    if (this.#state === "preparing") return refuse(errorCode.rebalanceInProgress);
    this.#alive(member);
    return new Promise((resolve) => {
      member.syncing = resolve;
      if (memberId === this.#leader) {
        this.#assignments = assignments;
        this.#state = "stable";
      }
      if (this.#state === "stable")
        for (const waiting of this.#members.values()) this.#answerSync(waiting, errorCode.none);
    });
  }

  #assignments: ReadonlyMap<string, Buffer> = new Map();

  #answerSync(member: Member, error: number): void {
    member.syncing?.({
      error,
      assignment: error === 0 ? (this.#assignments.get(member.id) ?? Buffer.alloc(0)) : Buffer.alloc(0),
    });
    member.syncing = undefined;
  }

  heartbeat(memberId: string, generation: number): number {
    const error = this.check(memberId, generation);
    const member = this.#members.get(memberId);
    if (error !== errorCode.none || member === undefined) return error;
    this.#alive(member);
    return this.#state === "preparing" ? errorCode.rebalanceInProgress : errorCode.none;
  }

  leave(memberId: string): number {
    const member = this.#members.get(memberId);
    if (member === undefined) return errorCode.unknownMember;
    this.#remove(member);
    if (this.#members.size === 0) {
      this.#timer?.cancel();
      this.#state = "empty";
    } else this.#prepare();
    return errorCode.none;
  }

  /** May this member commit? Who is no member may, as a tool, while the group is empty. */
  mayCommit(memberId: string, generation: number): number {
    if (memberId === "" && generation < 0) return this.#state === "empty" ? errorCode.none : errorCode.unknownMember;
    const error = this.check(memberId, generation);
    if (error !== errorCode.none) return error;
    return this.#state === "completing" ? errorCode.rebalanceInProgress : errorCode.none;
  }

  check(memberId: string, generation: number): number {
    if (!this.#members.has(memberId)) return errorCode.unknownMember;
    return generation === this.#generation ? errorCode.none : errorCode.illegalGeneration;
  }

  #alive(member: Member): void {
    member.session?.cancel();
    member.session = this.#clock.timer(member.sessionMs, () => void this.leave(member.id), { background: true });
  }

  #remove(member: Member): void {
    member.session?.cancel();
    this.#members.delete(member.id);
    this.#answerSync(member, errorCode.unknownMember);
  }

  /** Takes every member for dead, as if their machines had lost power. */
  close(): void {
    this.#timer?.cancel();
    for (const member of [...this.#members.values()]) this.#remove(member);
    this.#state = "empty";
  }
}
