// What a container is told: references expanded as Kubernetes does it and nothing more, Services as variables, paths into volumes.
import fc from "fast-check";
import type { Service, Stored } from "@wherry/kube";
import { describe, expect, it } from "vitest";
import { commandOf, rewritePaths } from "./command.ts";
import { assembleEnvironment } from "./environment.ts";
import { expand } from "./expand.ts";
import { fieldValue, resourceValue } from "./fields.ts";
import { notHonoured } from "./not-honoured.ts";
import { serviceVariables, variableName } from "./service-variables.ts";

const facts = {
  pod: {
    metadata: { name: "p", namespace: "n", labels: { app: 'a"b' }, annotations: { b: "2", a: "1\n" } },
    spec: { containers: [] },
  },
  podIP: "127.1.64.2",
  hostIP: "127.1.64.1",
  allocatable: { cpu: "2", memory: "1Gi" },
};
const nothing = { configMap: () => Promise.resolve(undefined), secret: () => Promise.resolve(undefined) };

describe("variable references", () => {
  // The table of upstream's expansion_test.go, in its cases.
  it.each([
    ["$(VAR_A)", "A"],
    ["___$(VAR_B)___", "___B___"],
    ["$(VAR_A)-$(VAR_B)", "A-B"],
    ["$(NONE)", "$(NONE)"],
    ["$$(VAR_A)", "$(VAR_A)"],
    ["$$$(VAR_A)", "$A"],
    ["$$$$(VAR_A)", "$$(VAR_A)"],
    ["$VAR_A ${VAR_A} `id` $(id", "$VAR_A ${VAR_A} `id` $(id"],
    ["$(VAR_A", "$(VAR_A"],
    ["$", "$"],
    ["$()", "$()"],
    ["\n$(EMPTY)", "\n"],
  ])("turns %j into %j", (text, result) => {
    const values: Record<string, string> = { VAR_A: "A", VAR_B: "B", EMPTY: "" };
    expect(expand(text, (name) => values[name])).toBe(result);
  });

  it("never expands what a value brought in", () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        expect(expand("<$(X)>", () => value)).toBe(`<${value}>`);
      }),
    );
  });

  it("refers to earlier entries only, and a later one wins", async () => {
    const { all } = await assembleEnvironment({
      facts,
      base: { PATH: "/bin", HOME: "/h" },
      image: { HOME: "/image", I: "image" },
      given: { GIVEN: "g", I: "given" },
      references: nothing,
      container: {
        name: "c",
        env: [
          { name: "A", value: "$(B)$(GIVEN)$(PATH)" },
          { name: "B", value: "b" },
          { name: "C", value: "$(A)$(B)" },
          { name: "__proto__", value: "x" },
        ],
      },
    });
    expect(all).toMatchObject({
      PATH: "/bin",
      HOME: "/image",
      I: "given",
      A: "$(B)g$(PATH)",
      B: "b",
      C: "$(B)g$(PATH)b",
    });
    expect(Object.prototype).not.toHaveProperty("x");
  });

  it("says which key is missing, unless it is optional", async () => {
    const assemble = (optional: boolean): Promise<unknown> =>
      assembleEnvironment({
        facts,
        base: {},
        image: {},
        given: {},
        references: { ...nothing, secret: () => Promise.resolve({ data: { other: "" } }) },
        container: { name: "c", env: [{ name: "A", valueFrom: { secretKeyRef: { name: "s", key: "k", optional } } }] },
      });
    await expect(assemble(false)).rejects.toMatchObject({
      code: "AGENT_CONTAINER_CONFIG",
      message: "couldn't find key k in Secret n/s",
    });
    await expect(assemble(true)).resolves.toMatchObject({ all: {} });
  });
});

describe("downward fields", () => {
  it("are text", () => {
    expect(fieldValue(facts, "metadata.labels['app']")).toBe('a"b');
    expect(fieldValue(facts, "metadata.labels['constructor']")).toBe("");
    expect(fieldValue(facts, "metadata.annotations")).toBe('a="1\\n"\nb="2"');
    expect(() => fieldValue(facts, "spec.secret")).toThrow(/downward API/);
  });
  it("give resources in units of the divisor, rounded up; what has no limit has the node's", () => {
    const container = { name: "c", resources: { limits: { cpu: "1500m" }, requests: { memory: "100Mi" } } };
    expect(resourceValue(facts, container, { resource: "limits.cpu" })).toBe("2");
    expect(resourceValue(facts, container, { resource: "limits.cpu", divisor: "1m" })).toBe("1500");
    expect(resourceValue(facts, container, { resource: "requests.memory", divisor: "1Mi" })).toBe("100");
    expect(resourceValue(facts, container, { resource: "limits.memory", divisor: "1Mi" })).toBe("1024");
    expect(resourceValue(facts, container, { resource: "requests.cpu", divisor: "1m" })).toBe("1500");
  });
});

describe("Service variables", () => {
  const service = (
    name: string,
    namespace: string,
    clusterIP: string,
    ports: NonNullable<Service["spec"]>["ports"],
  ): Stored<Service> => ({
    metadata: { name, namespace, uid: name, resourceVersion: "1" },
    spec: { clusterIP, ports: ports ?? [] },
  });
  const all = [
    service("kubernetes", "default", "127.1.0.1", [{ name: "https", port: 6443 }]),
    service("my.db-1", "shop", "127.1.0.9", [
      { name: "sql-port", port: 5432 },
      { port: 53, protocol: "UDP" },
    ]),
    service("other", "elsewhere", "127.1.0.8", [{ port: 1 }]),
    service("headless", "shop", "None", [{ port: 1 }]),
  ];
  it("are of the pod's namespace and of the API", () => {
    const variables = serviceVariables(all, "shop", true);
    expect(variables).toMatchObject({
      KUBERNETES_SERVICE_HOST: "127.1.0.1",
      KUBERNETES_SERVICE_PORT_HTTPS: "6443",
      MY_DB_1_SERVICE_HOST: "127.1.0.9",
      MY_DB_1_SERVICE_PORT: "5432",
      MY_DB_1_SERVICE_PORT_SQL_PORT: "5432",
      MY_DB_1_PORT: "tcp://127.1.0.9:5432",
      MY_DB_1_PORT_53_UDP: "udp://127.1.0.9:53",
      MY_DB_1_PORT_53_UDP_PROTO: "udp",
    });
    expect(Object.keys(variables).some((name) => /OTHER|HEADLESS/.test(name))).toBe(false);
    expect(Object.keys(serviceVariables(all, "shop", false)).every((name) => name.startsWith("KUBERNETES_"))).toBe(
      true,
    );
    expect(variableName("3-web")).toBe("_3_WEB");
  });
});

describe("commands and paths", () => {
  const image = { name: "i", entrypoint: ["entry"], cmd: ["cmd"], workingDir: "/", env: {} };
  it("replace the image's as Kubernetes' table says", () => {
    const of = (container: { command?: string[]; args?: string[] }): readonly string[] =>
      commandOf({ name: "c", ...container }, image, () => undefined);
    expect(of({})).toEqual(["entry", "cmd"]);
    expect(of({ command: ["c"] })).toEqual(["c"]);
    expect(of({ args: ["a"] })).toEqual(["entry", "a"]);
    expect(of({ command: ["c"], args: ["a"] })).toEqual(["c", "a"]);
  });
  it.each([
    ["/etc/app", "/v/app"],
    ["/etc/app/x/y", "/v/app/x/y"],
    ["/etc/application", "/etc/application"],
    ["/etc/app/sub/f", "/v/sub/f"],
    ["--config=/etc/app/x", "--config=/v/app/x"],
    ["/bin:/etc/app/bin", "/bin:/v/app/bin"],
    ["see /etc/app/x", "see /etc/app/x"],
    ["http://host/etc/app", "http://host/etc/app"],
    ["relative/etc/app", "relative/etc/app"],
  ])("lead into volumes: %s is %s", (text, result) => {
    const mounts = [
      { mountPath: "/etc/app", hostPath: "/v/app" },
      { mountPath: "/etc/app/sub", hostPath: "/v/sub" },
    ];
    expect(rewritePaths(text, mounts)).toBe(result);
  });
  it("report every field that can't be honoured, once", () => {
    const container = {
      name: "c",
      securityContext: { runAsUser: 1 },
      volumeMounts: [{ name: "v", mountPath: "/v", readOnly: true }],
    };
    const found = notHonoured({ spec: { hostPID: true, containers: [container, container] } });
    expect(found.map((text) => text.split(" ")[0])).toEqual([
      "hostPID,",
      "containers.securityContext",
      "containers.volumeMounts",
      "containers.volumeMounts.readOnly",
    ]);
    expect(notHonoured({ spec: { containers: [{ name: "c", image: "i" }], securityContext: {} } })).toEqual([]);
  });
});
