// Conditions: an object's state, one per type, in the order they were first set. The time of a transition changes with the
// status alone. Makes new lists, never changes one.
import { timeText } from "./time.ts";

/** What all conditions of Kubernetes have in common. */
export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

export const findCondition = <C extends { readonly type: string }>(
  conditions: readonly C[] | undefined,
  type: string,
): C | undefined => conditions?.find((condition) => condition.type === type);

/** True when there is a condition of this type with status `True`. */
export const conditionIsTrue = (conditions: readonly Condition[] | undefined, type: string): boolean =>
  findCondition(conditions, type)?.status === "True";

/** The list with `next` in it. Its `lastTransitionTime` is `nowMs` if the status is new, else that of before. */
export function setCondition<C extends Condition>(conditions: readonly C[] | undefined, next: C, nowMs: number): C[] {
  const before = findCondition(conditions, next.type);
  const lastTransitionTime = before?.status === next.status ? before.lastTransitionTime : undefined;
  const condition = { ...next, lastTransitionTime: lastTransitionTime ?? timeText(nowMs) };
  if (before === undefined) return [...(conditions ?? []), condition];
  return (conditions ?? []).map((one) => (one === before ? condition : one));
}

export const removeCondition = <C extends { readonly type: string }>(
  conditions: readonly C[] | undefined,
  type: string,
): C[] => (conditions ?? []).filter((condition) => condition.type !== type);
