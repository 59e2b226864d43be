// A budget is never overdrawn and never leaks, whoever takes and gives in whatever order.
import fc from "fast-check";
import { expect, it } from "vitest";
import type { User } from "../types.ts";
import { Budget } from "./budget.ts";

const admin: User = { name: "admin", groups: ["system:masters"] };
const users: readonly User[] = [admin, { name: "a", groups: [] }, { name: "b", groups: [] }, { name: "c", groups: [] }];

it("grants exactly what total and share leave, and all of it again when everything was given back", () => {
  const step = fc.record({
    user: fc.nat(users.length - 1),
    amount: fc.integer({ min: 1, max: 4 }),
    give: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const total = 10;
      const perUser = 6;
      const budget = new Budget({ total, perUser });
      const held: { user: User; amount: number }[] = [];
      const sum = (of: (user: User) => boolean): number =>
        held.filter(({ user }) => of(user)).reduce((all, { amount }) => all + amount, 0);
      for (const { user: index, amount, give } of steps) {
        const last = give ? held.pop() : undefined;
        if (last !== undefined) budget.give(last.user, last.amount);
        const user = users[index] as User;
        const fits =
          user === admin
            ? sum((one) => one === admin) + amount <= total
            : sum((one) => one !== admin) + amount <= total && sum((one) => one === user) + amount <= perUser;
        expect(budget.take(user, amount)).toBe(fits);
        if (fits) held.push({ user, amount });
      }
      for (const { user, amount } of held) budget.give(user, amount);
      expect(budget.take(admin, total)).toBe(true);
      expect(budget.take(users[1] as User, perUser)).toBe(true);
      expect(budget.take(users[2] as User, total - perUser)).toBe(true);
      expect(budget.take(users[3] as User, 1)).toBe(false);
    }),
  );
});
