// Which objects are accepted, and how the others are refused: names, labels, pods and each kind's own rules; nothing that is sent causes
// an accident.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { applyDefaults } from "../defaults/apply.ts";
import { definitions } from "../schema/generated/definitions.ts";
import { kinds, resources } from "../schema/kinds.ts";
import { invalid } from "../status.ts";
import type { Json, KubeObject } from "../types/index.ts";
import { kindOf, object, type Plural, plurals } from "./objects.suite.ts";
import { allowedValues, ranges, texts, uniqueBy } from "./rules.ts";
import { validateAs, validateCreate, validateUpdate } from "./validate.ts";

const problems = (plural: Plural, change: Json = {}): string[] =>
  validateCreate(kindOf(plural), object(plural, change)).map(({ field, message }) => `${field}: ${message}`);

test.each(plurals)("a plain object of %s is accepted, and its unchanged update", (plural) => {
  expect(problems(plural)).toEqual([]);
  expect(validateUpdate(kindOf(plural), object(plural), object(plural))).toEqual([]);
});

describe("names", () => {
  test.each(["../x", "__proto__", "x".repeat(300), "UPPER", "a b", "-a", "a/b", "."])("%s is refused", (name) => {
    for (const plural of plurals)
      expect(problems(plural, { metadata: { name } })[0], plural).toMatch(/^metadata.name: Invalid value: /);
  });

  test("each kind has its rule, and generateName counts as a name", () => {
    expect(problems("pods", { metadata: { name: "a.b" } })).toEqual([]);
    expect(problems("services", { metadata: { name: "1a" } })).toHaveLength(1);
    expect(problems("namespaces", { metadata: { name: "a.b" } })).toHaveLength(1);
    expect(problems("pods", { metadata: { name: null, generateName: "a-" } })).toEqual([]);
    expect(problems("pods", { metadata: { name: null, generateName: "A-" } })).toHaveLength(1);
    expect(problems("pods", { metadata: { name: null } })).toEqual([
      "metadata.name: Required value: name or generateName is required",
    ]);
    expect(problems("nodes", { metadata: { namespace: "x" } })).toEqual([
      "metadata.namespace: Forbidden: not allowed on this type",
    ]);
  });

  test("labels, annotations and owners", () => {
    expect(problems("pods", { metadata: { labels: { "a b": "x", a: "-" } } })).toHaveLength(2);
    expect(problems("pods", { metadata: { annotations: { "a/b/c": "x" } } })).toHaveLength(1);
    expect(problems("pods", { metadata: { annotations: { a: "x".repeat(300_000) } } })).toEqual([
      "metadata.annotations: Too long: may not be more than 262144 bytes",
    ]);
    const owner = { apiVersion: "v1", kind: "Pod", name: "x", controller: true };
    expect(
      problems("pods", {
        metadata: {
          ownerReferences: [
            { ...owner, uid: "1" },
            { ...owner, uid: "2" },
          ],
        },
      })[0],
    ).toMatch(/Only one reference can have Controller/);
    expect(problems("pods", { metadata: { ownerReferences: [{ uid: "1" }] } })).toContain(
      "metadata.ownerReferences[0].kind: Required value",
    );
  });
});

describe("pods", () => {
  const container = (fields: Json): Json => ({ spec: { containers: [{ name: "c", ...(fields as object) }] } });
  test.each<[string, Json, string]>([
    ["no spec", { spec: null }, "spec: Required value"],
    ["no containers", { spec: { containers: null } }, "spec.containers: Required value"],
    ["no image", container({ image: null }), "spec.containers[0].image: Required value"],
    [
      "two of one name",
      { spec: { initContainers: [{ name: "c", image: "i" }] } },
      'spec.initContainers[0].name: Duplicate value: "c"',
    ],
    [
      "a bad restart policy",
      { spec: { restartPolicy: "Sometimes" } },
      'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"',
    ],
    [
      "a port out of range",
      container({ ports: [{ containerPort: 70_000 }] }),
      "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
    ],
    [
      "two ports of one name",
      container({
        ports: [
          { containerPort: 1, name: "a" },
          { containerPort: 2, name: "a" },
        ],
      }),
      'spec.containers[0].ports[1].name: Duplicate value: "a"',
    ],
    [
      "a probe without handler",
      container({ livenessProbe: {} }),
      "spec.containers[0].livenessProbe: Required value: must specify a handler type",
    ],
    [
      "a probe with two handlers",
      container({ livenessProbe: { exec: { command: ["x"] }, tcpSocket: { port: 1 } } }),
      "spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
    ],
    [
      "a probe of zero seconds",
      container({ readinessProbe: { tcpSocket: { port: 1 }, periodSeconds: 0 } }),
      "spec.containers[0].readinessProbe.periodSeconds: Invalid value: 0: must be greater than 0",
    ],
    [
      "a mount of no volume",
      container({ volumeMounts: [{ name: "v", mountPath: "/v" }] }),
      'spec.containers[0].volumeMounts[0].name: Not found: "v"',
    ],
    [
      "an env without name",
      container({ env: [{ $patch: "merge", name: "", value: "x" }] }),
      "spec.containers[0].env[0].name: Required value",
    ],
    [
      "a request above its limit",
      container({ resources: { requests: { cpu: "2" }, limits: { cpu: "1" } } }),
      'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
    ],
    [
      "a negative quantity",
      container({ resources: { limits: { cpu: "-1" } } }),
      'spec.containers[0].resources.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0',
    ],
    [
      "a toleration of nothing",
      { spec: { tolerations: [{ value: "x" }] } },
      'spec.tolerations[0].operator: Invalid value: "": operator must be Exists when `key` is empty, which means "match all values and all keys"',
    ],
    [
      "a path out of the volume",
      container({ volumeMounts: [{ name: "v", mountPath: "/v", subPath: "../../etc" }] }),
      `spec.containers[0].volumeMounts[0].subPath: Invalid value: "../../etc": must be a relative path and must not contain '..'`,
    ],
  ])("%s is refused", (_name, change, expected) => {
    expect(problems("pods", change)).toContain(expected);
  });
});

describe("other kinds", () => {
  test.each<[Plural, Json, string | RegExp]>([
    [
      "deployments",
      { spec: { template: { metadata: { labels: { app: "y" } } } } },
      'spec.template.metadata.labels: Invalid value: {"app":"y"}: `selector` does not match template `labels`',
    ],
    ["deployments", { spec: { selector: null } }, "spec.selector: Required value"],
    ["deployments", { spec: { selector: { matchLabels: null } } }, /spec.selector: Invalid value: {}: empty selector/],
    ["deployments", { spec: { template: null } }, "spec.template: Required value"],
    ["deployments", { spec: { replicas: -1 } }, "spec.replicas: Invalid value: -1: must be greater than or equal to 0"],
    [
      "deployments",
      { spec: { template: { spec: { restartPolicy: "Never" } } } },
      'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
    ],
    [
      "deployments",
      { spec: { strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } } } },
      "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
    ],
    ["deployments", { spec: { strategy: { type: "Recreate", rollingUpdate: {} } } }, /rollingUpdate: Forbidden/],
    ["poddisruptionbudgets", { spec: { minAvailable: 1 } }, /^spec: Invalid value: .*cannot be both set/],
    ["poddisruptionbudgets", { spec: { maxUnavailable: "101%" } }, /maxUnavailable: .*not be greater than 100%/],
    ["poddisruptionbudgets", { spec: { maxUnavailable: -1 } }, /greater than or equal to 0/],
    ["poddisruptionbudgets", { spec: { maxUnavailable: "one" } }, /valid percent/],
    ["poddisruptionbudgets", { spec: { unhealthyPodEvictionPolicy: "Never" } }, /Unsupported value: "Never"/],
    ["replicasets", { spec: { template: null } }, "spec.template: Required value"],
    ["services", { spec: { ports: null } }, "spec.ports: Required value"],
    ["services", { spec: { ports: [{ port: 81 }] } }, "spec.ports[0].name: Required value"],
    ["services", { spec: { ports: [{ port: 80, targetPort: "UPPER" }] } }, /targetPort: Invalid value/],
    ["services", { spec: { clusterIP: "nonsense" } }, /^spec.clusterIPs\[0\]: Invalid value: "nonsense"/],
    ["services", { spec: { type: "ExternalName" } }, "spec.externalName: Required value"],
    ["configmaps", { data: { "../x": "y" } }, /^data\[\.\.\/x\]: Invalid value: "\.\.\/x": a valid config key/],
    ["secrets", { stringData: { "a/b": "y" } }, /^data\[a\/b\]: Invalid value/],
    ["secrets", { type: "kubernetes.io/tls" }, "data[tls.crt]: Required value"],
    ["endpointslices", { addressType: "IPv9" }, /^addressType: Unsupported value/],
    ["endpointslices", { endpoints: [{ addresses: ["x"] }] }, /^endpoints\[0\].addresses\[0\]: Invalid value: "x"/],
    ["events", { involvedObject: null }, "involvedObject: Required value"],
  ])("%s: %j is refused", (plural, change, expected) => {
    expect(problems(plural, change)).toContainEqual(
      expect.stringMatching(typeof expected === "string" ? literal(expected) : expected),
    );
  });
  const literal = (text: string): RegExp => new RegExp(`^${text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`);
});

test("bodies that are no kinds are held to the tables too", () => {
  expect(validateAs("Scale", { spec: { replicas: -1 } } as KubeObject)).toHaveLength(1);
});

test("the refusal reads as Kubernetes' own", () => {
  const pod = object("pods", { spec: { containers: null } });
  expect(invalid(resources.pods, "x", validateCreate(resources.pods, pod)).message).toBe(
    'Pod "x" is invalid: spec.containers: Required value',
  );
});

test("whatever is sent is judged without an accident", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...kinds),
      fc.dictionary(fc.string(), fc.jsonValue()),
      fc.jsonValue(),
      (kind, a, spec) => {
        const given = applyDefaults(kind, { ...a, metadata: {}, spec } as KubeObject);
        expect(Array.isArray(validateCreate(kind, given))).toBe(true);
        expect(Array.isArray(validateUpdate(kind, given, applyDefaults(kind, { metadata: {} })))).toBe(true);
      },
    ),
  );
});

test("every row of the tables is about a definition and a field that exist", () => {
  for (const table of [allowedValues, ranges, texts, uniqueBy])
    for (const [definition, fields] of Object.entries(table))
      for (const field of Object.keys(fields))
        expect(definitions[definition], `${definition}.${field}`).toHaveProperty([field]);
});
