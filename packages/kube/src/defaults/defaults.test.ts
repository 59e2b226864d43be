// Defaults are those that kubectl would show; filling them in twice changes nothing more.
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseYaml } from "../parse/parse.ts";
import { definitions } from "../schema/generated/definitions.ts";
import { kinds, resources } from "../schema/kinds.ts";
import { deepFreeze } from "../value.ts";
import type { Deployment, Pod, Secret, Service } from "../types/index.ts";
import { applyDefaults, decodeAs } from "./apply.ts";
import { computed, constants, pullPolicyOf } from "./table.ts";

const yaml = <T>(text: string): T => deepFreeze(parseYaml(text).value) as T;

test("a bare Deployment gets what kubectl would show", () => {
  const given = yaml<Deployment>(`
metadata: { name: x, creationTimestamp: null }
spec:
  selector: { matchLabels: { app: x } }
  template:
    metadata: { labels: { app: x } }
    spec:
      containers:
        - name: c
          image: echo:dev
          ports: [{ containerPort: 80 }]
          resources: { limits: { cpu: 0.5, memory: 1024Mi } }
          readinessProbe: { httpGet: { port: 80 } }
      volumes: [{ name: v }, { name: s, secret: { secretName: s } }]
  unknown: gone
`);
  expect(applyDefaults(resources.deployments, given)).toEqual({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "x" },
    spec: {
      replicas: 1,
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: "25%", maxUnavailable: "25%" } },
      selector: { matchLabels: { app: "x" } },
      template: {
        metadata: { labels: { app: "x" } },
        spec: {
          containers: [
            {
              name: "c",
              image: "echo:dev",
              imagePullPolicy: "IfNotPresent",
              ports: [{ containerPort: 80, protocol: "TCP" }],
              resources: { limits: { cpu: "500m", memory: "1Gi" } },
              readinessProbe: {
                httpGet: { port: 80, path: "/", scheme: "HTTP" },
                timeoutSeconds: 1,
                periodSeconds: 10,
                successThreshold: 1,
                failureThreshold: 3,
              },
              terminationMessagePath: "/dev/termination-log",
              terminationMessagePolicy: "File",
            },
          ],
          dnsPolicy: "ClusterFirst",
          restartPolicy: "Always",
          schedulerName: "default-scheduler",
          securityContext: {},
          terminationGracePeriodSeconds: 30,
          volumes: [
            { name: "v", emptyDir: {} },
            { name: "s", secret: { secretName: "s", defaultMode: 420 } },
          ],
        },
      },
    },
  });
});

test("a pod's requests follow its limits, its service account is shown under both names", () => {
  const pod = applyDefaults(
    resources.pods,
    yaml<Pod>(`
spec:
  serviceAccountName: me
  hostNetwork: true
  containers: [{ name: a, image: x, ports: [{ containerPort: 1 }], resources: { limits: { cpu: 1, memory: 1Gi }, requests: { cpu: 100m } } }]
`),
  );
  expect(pod.spec).toMatchObject({ serviceAccount: "me", serviceAccountName: "me", enableServiceLinks: true });
  expect(pod.spec?.containers[0]).toMatchObject({
    imagePullPolicy: "Always",
    ports: [{ hostPort: 1 }],
    resources: { requests: { cpu: "100m", memory: "1Gi" } },
  });
});

test("a Recreate strategy gets no rolling update", () => {
  const given = yaml<Deployment>("spec: { strategy: { type: Recreate } }");
  expect(applyDefaults(resources.deployments, given).spec?.strategy).toEqual({ type: "Recreate" });
});

test("services, secrets and namespaces", () => {
  const service = applyDefaults(resources.services, yaml<Service>("spec: { ports: [{ port: 80 }], clusterIP: None }"));
  expect(service).toMatchObject({
    spec: {
      type: "ClusterIP",
      sessionAffinity: "None",
      internalTrafficPolicy: "Cluster",
      clusterIPs: ["None"],
      ipFamilies: ["IPv4"],
      ports: [{ port: 80, protocol: "TCP", targetPort: 80 }],
    },
    status: { loadBalancer: {} },
  });
  const secret = applyDefaults(resources.secrets, yaml<Secret>("stringData: { a: hi }\ndata: { a: eA==, b: eA== }"));
  expect(secret).toEqual({ apiVersion: "v1", kind: "Secret", type: "Opaque", data: { a: "aGk=", b: "eA==" } });
  expect(applyDefaults(resources.namespaces, { metadata: { name: "n" } })).toMatchObject({
    metadata: { labels: { "kubernetes.io/metadata.name": "n" } },
    status: { phase: "Active" },
  });
});

test.each([
  ["busybox", "Always"],
  ["busybox:latest", "Always"],
  ["busybox:1", "IfNotPresent"],
  ["localhost:5000/x", "Always"],
  ["localhost:5000/x:2", "IfNotPresent"],
  ["x@sha256:abc", "IfNotPresent"],
])("image %s is pulled %s", (image, policy) => {
  expect(pullPolicyOf(image)).toBe(policy);
});

test("times are written in UTC, to the second or to the microsecond", () => {
  const event = decodeAs("Event", {
    firstTimestamp: "2026-01-02T03:04:05.678+01:00",
    eventTime: "2026-01-02T03:04:05.1234567Z",
    lastTimestamp: "soon",
  });
  expect(event).toEqual({
    firstTimestamp: "2026-01-02T02:04:05Z",
    eventTime: "2026-01-02T03:04:05.123456Z",
    lastTimestamp: "soon",
  });
});

test("defaulting twice is defaulting once, whatever comes, and nothing is mutated", () => {
  const names = fc.constantFrom(
    ...["spec", "metadata", "template", "containers", "resources", "limits", "cpu", "ports", "port", "type", "volumes"],
    ...["strategy", "name", "hostNetwork", "image", "stringData", "data", "status", "capacity", "serviceAccount"],
  );
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 6, withCrossShrink: true },
      fc.constantFrom("", "1", "2Gi", "ClientIP", "NodePort", "RollingUpdate", 0, 3, true, null),
      fc.array(tie("value"), { maxLength: 2 }),
      fc.dictionary(names, tie("value"), { maxKeys: 5 }),
    ),
  }));
  const object = fc.dictionary(names, value, { maxKeys: 4 });
  fc.assert(
    fc.property(fc.constantFrom(...kinds), object, (kind, given) => {
      const once = applyDefaults(kind, deepFreeze(given));
      expect(applyDefaults(kind, deepFreeze(once))).toEqual(once);
    }),
  );
});

test("every row of the tables is about a definition and a field that exist", () => {
  for (const [definition, fields] of Object.entries(constants))
    for (const field of Object.keys(fields))
      expect(definitions[definition], `${definition}.${field}`).toHaveProperty([field]);
  for (const definition of Object.keys(computed)) expect(definitions).toHaveProperty([definition]);
});
