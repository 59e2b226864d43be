// The columns that `kubectl get` prints, kind by kind.
import { expect, test } from "vitest";
import { kinds, resources } from "../schema/kinds.ts";
import type { ContainerStatus, KubeObject, Pod } from "../types/index.ts";
import { podSummary } from "./pod.ts";
import { tableColumns, tableRow, tableRowConditions } from "./table.ts";

const now = Date.UTC(2026, 0, 1, 12);
const ago = (minutes: number): string => new Date(now - minutes * 60_000).toISOString();
const metadata = { name: "x", creationTimestamp: ago(5) };
const row = (plural: keyof typeof resources, object: object): unknown[] =>
  tableRow(resources[plural], { metadata, ...object }, now);

test("each kind has its columns, the name marked as such", () => {
  const heads = Object.fromEntries(
    kinds.map((kind) => [
      kind.kind,
      tableColumns(kind)
        .map(({ name }) => name)
        .join(", "),
    ]),
  );
  expect(heads).toEqual({
    ConfigMap: "Name, Data, Age",
    Deployment: "Name, Ready, Up-to-date, Available, Age, Containers, Images, Selector",
    EndpointSlice: "Name, AddressType, Ports, Endpoints, Age",
    Endpoints: "Name, Endpoints, Age",
    Event: "Last Seen, Type, Reason, Object, Subobject, Source, Message, First Seen, Count, Name",
    Namespace: "Name, Status, Age",
    Node: "Name, Status, Roles, Age, Version, Internal-IP, External-IP, OS-Image, Kernel-Version, Container-Runtime",
    Pod: "Name, Ready, Status, Restarts, Age, IP, Node, Nominated Node, Readiness Gates",
    PodDisruptionBudget: "Name, Min Available, Max Unavailable, Allowed Disruptions, Age",
    ReplicaSet: "Name, Desired, Current, Ready, Age, Containers, Images, Selector",
    Secret: "Name, Type, Data, Age",
    Service: "Name, Type, Cluster-IP, External-IP, Port(s), Age, Selector",
    ServiceAccount: "Name, Age",
  });
  for (const kind of kinds) {
    const columns = tableColumns(kind);
    expect(columns.find(({ format }) => format === "name")?.name).toBe("Name");
    for (const column of columns) expect(column.description, `${kind.kind} ${column.name}`).not.toBe("");
    // What a real server may send at worst: an object that is nothing but a name.
    const bare = { metadata: { name: "x" }, involvedObject: {} } as KubeObject;
    expect(tableRow(kind, bare, now)).toHaveLength(columns.length);
  }
});

test("disruption budgets", () => {
  expect(row("poddisruptionbudgets", { spec: { maxUnavailable: "50%" }, status: { disruptionsAllowed: 2 } })).toEqual([
    ...["x", "N/A", "50%", 2, "5m"],
  ]);
});

test("workloads", () => {
  const spec = {
    replicas: 3,
    selector: { matchLabels: { app: "x" }, matchExpressions: [{ key: "a", operator: "Exists" }] },
    template: {
      spec: {
        containers: [
          { name: "a", image: "i:1" },
          { name: "b", image: "j:2" },
        ],
      },
    },
  };
  expect(row("deployments", { spec, status: { readyReplicas: 2, updatedReplicas: 1, availableReplicas: 2 } })).toEqual([
    ...["x", "2/3", 1, 2, "5m", "a,b", "i:1,j:2", "app=x,a"],
  ]);
  expect(row("replicasets", { spec, status: { replicas: 2, readyReplicas: 1 } }).slice(0, 5)).toEqual([
    "x",
    3,
    2,
    1,
    "5m",
  ]);
});

test("services", () => {
  const ports = [
    { port: 80, protocol: "TCP" },
    { port: 53, nodePort: 30_053, protocol: "UDP" },
  ];
  expect(
    row("services", { spec: { type: "ClusterIP", clusterIPs: ["127.1.0.5"], ports, selector: { b: "2", a: "1" } } }),
  ).toEqual([...["x", "ClusterIP", "127.1.0.5", "<none>", "80/TCP,53:30053/UDP", "5m", "a=1,b=2"]]);
  expect(row("services", { spec: { type: "ExternalName", externalName: "example.com" } })).toEqual([
    ...["x", "ExternalName", "<none>", "example.com", "<none>", "5m", "<none>"],
  ]);
  expect(row("services", { spec: { type: "LoadBalancer", clusterIP: "127.1.0.6", ports } })[3]).toBe("<pending>");
});

test("endpoints and slices show the first three", () => {
  const ips = ["127.1.64.1", "127.1.64.2", "127.1.64.3", "127.1.64.4", "127.1.64.5"];
  const subsets = [{ addresses: ips.map((ip) => ({ ip })), ports: [{ port: 80 }] }];
  expect(row("endpoints", { subsets })[1]).toBe("127.1.64.1:80,127.1.64.2:80,127.1.64.3:80 + 2 more...");
  expect(row("endpoints", {})[1]).toBe("<none>");
  const endpoints = ips.slice(0, 2).map((ip) => ({ addresses: [ip] }));
  expect(row("endpointslices", { addressType: "IPv4", endpoints, ports: [{ port: 80 }, { name: "a" }, {}] })).toEqual([
    ...["x", "IPv4", "80,a,*", "127.1.64.1,127.1.64.2", "5m"],
  ]);
  expect(row("endpointslices", { addressType: "IPv4", endpoints: null })).toEqual([
    "x",
    "IPv4",
    "<unset>",
    "<unset>",
    "5m",
  ]);
});

test("nodes", () => {
  const labels = { "node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/control-plane": "" };
  const node = {
    metadata: { ...metadata, labels },
    spec: { unschedulable: true },
    status: {
      conditions: [{ type: "Ready", status: "True" }],
      nodeInfo: { kubeletVersion: "v1.35.0" },
      addresses: [{ type: "InternalIP", address: "127.0.0.1" }],
    },
  };
  expect(row("nodes", node)).toEqual([
    ...["x", "Ready,SchedulingDisabled", "control-plane,worker", "5m", "v1.35.0", "127.0.0.1", "<none>"],
    ...["<unknown>", "<unknown>", "<unknown>"],
  ]);
  expect(row("nodes", { status: { conditions: [{ type: "Ready", status: "False" }] } }).slice(1, 3)).toEqual([
    "NotReady",
    "<none>",
  ]);
});

test("events", () => {
  const event = {
    type: "Warning",
    reason: "BackOff",
    involvedObject: { kind: "Pod", name: "p", fieldPath: "spec.containers{c}" },
    message: " back-off \n",
    firstTimestamp: ago(30),
    lastTimestamp: ago(1),
    count: 3,
    source: { component: "kubelet", host: "n" },
  };
  expect(row("events", event)).toEqual([
    ...["60s", "Warning", "BackOff", "pod/p", "spec.containers{c}", "kubelet, n", "back-off", "30m", 3, "x"],
  ]);
  const modern = { involvedObject: { kind: "Node" }, eventTime: ago(2), reportingComponent: "scheduler" };
  expect(row("events", modern)).toEqual(["2m", "", "", "node", "", "scheduler", "", "2m", 1, "x"]);
});

test("keys are counted", () => {
  expect(row("configmaps", { data: { a: "", b: "" }, binaryData: { c: "" } })).toEqual(["x", 3, "5m"]);
  expect(row("secrets", { type: "Opaque", data: { a: "" } })).toEqual(["x", "Opaque", 1, "5m"]);
  expect(row("namespaces", { status: { phase: "Active" } })).toEqual(["x", "Active", "5m"]);
  expect(row("serviceaccounts", {})).toEqual(["x", "5m"]);
});

const container = (state: object, more: object = {}): ContainerStatus => ({
  name: "c",
  image: "i",
  imageID: "",
  ready: false,
  restartCount: 0,
  state,
  ...more,
});
const running = container({ running: {} }, { ready: true });
const exited = (exitCode: number, more: object = {}): ContainerStatus =>
  container({ terminated: { exitCode, ...more } });

test.each<[string, Partial<Pod["status"]>, Pod["metadata"], string]>([
  ["waits for a node", { phase: "Pending" }, {}, "0/2 Pending 0"],
  [
    "is gated",
    { phase: "Pending", conditions: [{ type: "PodScheduled", status: "False", reason: "SchedulingGated" }] },
    {},
    "0/2 SchedulingGated 0",
  ],
  ["was evicted", { phase: "Failed", reason: "Evicted" }, {}, "0/2 Evicted 0"],
  ["runs", { phase: "Running", containerStatuses: [running, running] }, {}, "2/2 Running 0"],
  [
    "crashes",
    {
      phase: "Running",
      containerStatuses: [
        container(
          { waiting: { reason: "CrashLoopBackOff" } },
          { restartCount: 3, lastState: { terminated: { exitCode: 1, finishedAt: ago(5) } } },
        ),
        running,
      ],
    },
    {},
    "1/2 CrashLoopBackOff 3 (5m ago)",
  ],
  [
    "ended well",
    { phase: "Succeeded", containerStatuses: [exited(0, { reason: "Completed" })] },
    {},
    "0/2 Completed 0",
  ],
  ["ended without a word", { phase: "Failed", containerStatuses: [exited(3)] }, {}, "0/2 ExitCode:3 0"],
  ["was killed", { phase: "Failed", containerStatuses: [exited(137, { signal: 9 })] }, {}, "0/2 Signal:9 0"],
  [
    "has one container left",
    { phase: "Running", containerStatuses: [exited(0, { reason: "Completed" }), running] },
    {},
    "1/2 NotReady 0",
  ],
  [
    "has one container left and is ready",
    {
      phase: "Running",
      conditions: [{ type: "Ready", status: "True" }],
      containerStatuses: [exited(0, { reason: "Completed" }), running],
    },
    {},
    "1/2 Running 0",
  ],
  [
    "is deleted",
    { phase: "Running", containerStatuses: [running] },
    { deletionTimestamp: ago(0) },
    "1/2 Terminating 0",
  ],
  ["is lost", { phase: "Running", reason: "NodeLost" }, { deletionTimestamp: ago(0) }, "0/2 Unknown 0"],
])("a pod that %s", (_name, status, meta, expected) => {
  const spec = { containers: [{ name: "a" }, { name: "b" }] };
  const summary = podSummary({ metadata: meta ?? {}, spec, status: status as object }, now);
  expect(`${summary.ready} ${summary.status} ${summary.restarts}`).toBe(expected);
});

test.each<[string, ContainerStatus[], string]>([
  ["the first runs", [container({ running: {} }, { name: "one" })], "0/2 Init:0/2 0"],
  ["the first is done", [exited(0), container({ waiting: { reason: "PodInitializing" } })], "0/2 Init:1/2 0"],
  ["one can't be pulled", [container({ waiting: { reason: "ErrImagePull" } })], "0/2 Init:ErrImagePull 0"],
  ["one fails", [exited(1)], "0/2 Init:ExitCode:1 0"],
  ["one fails with a reason", [exited(1, { reason: "Error" })], "0/2 Init:Error 0"],
  [
    "a sidecar has started",
    [exited(0), container({ running: {} }, { name: "side", started: true, ready: true })],
    "1/2 Pending 0",
  ],
])("init containers: %s", (_name, initContainerStatuses, expected) => {
  const spec = {
    containers: [{ name: "a" }],
    initContainers: [{ name: "one" }, { name: "side", restartPolicy: "Always" }],
  };
  const summary = podSummary({ spec, status: { phase: "Pending", initContainerStatuses } }, now);
  expect(`${summary.ready} ${summary.status} ${summary.restarts}`).toBe(expected);
});

test("the wide columns of a pod, and the row's condition once it is over", () => {
  const pod: Pod = {
    spec: { containers: [{ name: "a" }], nodeName: "n", readinessGates: [{ conditionType: "g" }] },
    status: { phase: "Succeeded", podIPs: [{ ip: "127.1.64.1" }] },
  };
  expect(row("pods", pod)).toEqual(["x", "0/1", "Succeeded", "0", "5m", "127.1.64.1", "n", "<none>", "0/1"]);
  expect(tableRowConditions(resources.pods, pod)).toMatchObject([{ type: "Completed", status: "True" }]);
  expect(tableRowConditions(resources.services, pod)).toEqual([]);
});
