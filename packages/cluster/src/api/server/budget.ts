// How much of something all users together and one of them may hold at once. Administrators have a budget of their own, which
// nobody else can use up: whoever can still stop what floods the server must get in.
import type { User } from "../types.ts";

export interface BudgetOptions {
  /** All users but administrators; all administrators. */
  readonly total: number;
  /** One user that is no administrator. */
  readonly perUser: number;
}

export class Budget {
  readonly #options: BudgetOptions;
  readonly #held = new Map<string, number>();
  #users = 0;
  #administrators = 0;

  constructor(options: BudgetOptions) {
    this.#options = options;
  }

  /** False, and nothing is taken, when the budget is used up. What was taken is given back with `give`. */
  take(user: User, amount: number = 1): boolean {
    const { total, perUser } = this.#options;
    if (isAdministrator(user)) {
      if (this.#administrators + amount > total) return false;
      this.#administrators += amount;
      return true;
    }
    const own = (this.#held.get(user.name) ?? 0) + amount;
    if (this.#users + amount > total || own > perUser) return false;
    this.#users += amount;
    this.#held.set(user.name, own);
    return true;
  }

  give(user: User, amount: number = 1): void {
    if (isAdministrator(user)) {
      this.#administrators -= amount;
      return;
    }
    this.#users -= amount;
    const own = (this.#held.get(user.name) ?? 0) - amount;
    if (own > 0) this.#held.set(user.name, own);
    else this.#held.delete(user.name);
  }
}

const isAdministrator = ({ groups }: User): boolean => groups.includes("system:masters");
