// A method as a row of a table: its name, what it takes and gives, and what is promised of it.
import type { MethodDescription } from "@wherry/service";
import { schemaText } from "./schema-text.ts";

/** `buy  { count: number } → number  keyed`; of a durable method, which is always keyed: `durable (nats, 5 redeliveries)` */
export function methodRow([name, method]: readonly [string, MethodDescription]): string[] {
  const { stream, input, output } = method;
  const taken = input === undefined ? "any" : schemaText(input);
  const given = output === undefined ? "any" : schemaText(output);
  const into = stream === "in" || stream === "both" ? `${taken}, …` : taken;
  const out = stream === "out" || stream === "both" ? `${given}, …` : given;
  const flags = [
    ...(stream === undefined ? [] : [`stream ${stream}`]),
    ...durableFlag(method),
    ...(["endless", "idempotent"] as const).filter((flag) => method[flag] === true),
    ...(method.keyed && method.durable === undefined ? ["keyed"] : []),
    ...(method.trust === "internal" ? ["internal"] : []),
  ];
  return [name, `${into} → ${out}`, flags.join(", ")];
}

function durableFlag({ durable }: MethodDescription): string[] {
  if (durable === undefined) return [];
  const { broker, redeliveriesMax } = durable;
  const redeliveries = `${redeliveriesMax} ${redeliveriesMax === 1 ? "redelivery" : "redeliveries"}`;
  return [`durable (${broker === undefined ? "" : `${broker}, `}${redeliveries})`];
}
