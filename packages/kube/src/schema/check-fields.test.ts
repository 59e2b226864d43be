// Unknown and wrong fields are told by their path, as `fieldValidation` asks.
import fc from "fast-check";
import { expect, test } from "vitest";
import { checkFields } from "./check-fields.ts";
import { decodingWarnings } from "./decoding.ts";
import { resources } from "./kinds.ts";

const messages = (definition: string, value: unknown): string[] => checkFields(definition, value).map((f) => f.message);

test("unknown fields are told by path", () => {
  const deployment = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "x", unknownMeta: 1, labels: { any: "thing" } },
    spec: { replica: 1, template: { spec: { containers: [{ name: "a" }, { imagee: "x" }] } } },
  };
  expect(messages("Deployment", deployment)).toEqual([
    'unknown field "metadata.unknownMeta"',
    'unknown field "spec.replica"',
    'unknown field "spec.template.spec.containers[1].imagee"',
  ]);
});

test.each([
  [
    "Deployment",
    { spec: { replicas: "3" } },
    "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
  ],
  [
    "Deployment",
    { spec: { replicas: 1.5 } },
    "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
  ],
  [
    "Pod",
    { metadata: { labels: { a: 1 } } },
    "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
  ],
  [
    "Pod",
    { spec: { containers: {} } },
    "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
  ],
  ["Pod", { spec: [] }, "json: cannot unmarshal array into Go struct field Pod.spec of type v1.PodSpec"],
  [
    "Pod",
    { spec: { hostNetwork: "yes" } },
    "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool",
  ],
])("%s: a wrong type is told in Go's words", (definition, value, expected) => {
  expect(messages(definition, value)).toEqual([expected]);
});

test("texts of a format are read: times, base64, quantities", () => {
  expect(messages("Secret", { data: { good: "aGk=", bad: "%%%" } })).toEqual(["illegal base64 data (at data.bad)"]);
  expect(messages("Pod", { metadata: { creationTimestamp: "yesterday" } })[0]).toMatch(/^parsing time "yesterday"/);
  const limits = { cpu: 1, memory: "1Gi", x: "lots" };
  expect(messages("Pod", { spec: { containers: [{ resources: { limits } }] } })[0]).toMatch(/^quantities must match/);
  expect(messages("Service", { spec: { ports: [{ targetPort: "http" }, { targetPort: 80 }] } })).toEqual([]);
  expect(messages("Pod", { metadata: { creationTimestamp: null }, spec: null })).toEqual([]);
});

test("Strict refuses, Warn warns, Ignore is silent; a wrong type is refused by all", () => {
  const findings = checkFields("Deployment", { spec: { unknownField: 1 } });
  const { deployments } = resources;
  expect(() => decodingWarnings(deployments, findings, ["spec.replicas"], "Strict")).toThrow(
    'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec.unknownField", duplicate field "spec.replicas"',
  );
  expect(decodingWarnings(deployments, findings, ["spec.replicas"], "Warn")).toEqual([
    'unknown field "spec.unknownField"',
    'duplicate field "spec.replicas"',
  ]);
  expect(decodingWarnings(deployments, findings, [], "Ignore")).toEqual([]);
  const wrong = checkFields("Deployment", { spec: 3 });
  expect(() => decodingWarnings(deployments, wrong, [], "Ignore")).toThrow(
    expect.objectContaining({ httpStatus: 400 }),
  );
});

test("any JSON is looked at without an accident", () => {
  fc.assert(
    fc.property(fc.constantFrom("Pod", "Service", "Secret", "Event"), fc.jsonValue(), (definition, value) => {
      expect(Array.isArray(checkFields(definition, value))).toBe(true);
      expect(Array.isArray(checkFields(definition, { metadata: value, spec: value, data: value }))).toBe(true);
    }),
  );
});
