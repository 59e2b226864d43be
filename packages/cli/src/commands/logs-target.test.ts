// What a name given to `wherry logs` stands for, and what is said when it stands for nothing.
import { expect, test } from "vitest";
import { CliError, exitCodes } from "../errors.ts";
import { labelsChoice, namedChoice, type Present } from "./logs-target.ts";

const labels = { app: "shop" };
const named = (name: string, more: object = {}): never => ({ metadata: { name, labels }, ...more }) as never;
const present: Present = {
  namespace: "default",
  pods: [named("shop-1")],
  deployments: [named("shop", { spec: { selector: { matchLabels: labels } } })],
  services: [named("front", { spec: { selector: labels } }), named("kubernetes", { spec: {} })],
  gone: new Set(["shop-0"]),
};

test.each(["shop", "deployment/shop", "deploy/shop", "front", "svc/front"])(
  "%s is the pods that it selects",
  (target) => {
    const { name, selector } = namedChoice(target, present);
    expect(name).toBeUndefined();
    expect([selector.matches(labels), selector.matches({ app: "other" }), selector.matches({})]).toEqual([
      true,
      false,
      false,
    ]);
  },
);

test.each(["shop-1", "pod/shop-1", "shop-0", "po/shop-0"])("%s is one pod, there or gone", (target) => {
  expect(namedChoice(target, present).name).toBe(target.replace(/.*\//, ""));
});

test.each([
  [
    "nope",
    exitCodes.failed,
    /no pod, deployment or service "nope" in namespace "default"\. There are: deployment\/shop, service\/front, pod\/shop-1$/,
  ],
  [
    "shpo",
    exitCodes.failed,
    /no pod, deployment or service "shpo" .*; did you mean shop\? There are: deployment\/shop/,
  ],
  ["deployment/front", exitCodes.failed, /no deployment "front" .*, but service\/front there is$/],
  ["pod/shop", exitCodes.failed, /no pod "shop" .*, but deployment\/shop there is$/],
  ["deployment/fron", exitCodes.failed, /no deployment "fron" .*\. There are: deployment\/shop$/],
  ["service/kubernetes", exitCodes.failed, /"kubernetes" has no pods of its own/],
  ["job/shop", exitCodes.usage, /pod\/NAME, deployment\/NAME and service\/NAME, not of job/],
  ["pod/", exitCodes.usage, /"pod\/" names nothing/],
])("%s is told, with what there is", (target, exitCode, message) => {
  const error = refusal(() => namedChoice(target, present));
  expect(error).toMatchObject({ exitCode, message: expect.stringMatching(message) });
});

test("labels that are none are a mistake in the command line", () => {
  expect(labelsChoice("app in (shop, other)").selector.matches(labels)).toBe(true);
  const error = refusal(() => labelsChoice("app in"));
  expect(error).toMatchObject({
    exitCode: exitCodes.usage,
    message: expect.stringMatching(/--selector takes labels.*"app in"/),
  });
});

function refusal(attempt: () => unknown): unknown {
  try {
    attempt();
  } catch (error) {
    expect(error).toBeInstanceOf(CliError);
    return error;
  }
  return undefined;
}
