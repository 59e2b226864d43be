// Bodies that client-go programs send. The first one is what kubectl 1.35 sent for `kubectl create namespace foo`.
import { StatusError } from "@wherry/kube";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeProtobuf } from "./decode.ts";

const hex = (text: string): Uint8Array => Buffer.from(text.replace(/\s/g, ""), "hex");

const namespaceFoo = hex(
  "6b387300 0a0f 0a027631 1209 4e616d657370616365 121b 0a13 0a03666f6f 1200 1a00 2200 2a00 3200 3800 4200 1200 1a02 0a00 1a00 2200",
);

/** A field with a length: the only kind that these tests need to write, besides numbers. */
const bytes = (field: number, content: Uint8Array | string): Buffer => {
  const inner = Buffer.from(content as never);
  return Buffer.concat([varint(field * 8 + 2), varint(inner.length), inner]);
};
const number = (field: number, value: number): Buffer => Buffer.concat([varint(field * 8), varint(value)]);
function varint(value: number): Buffer {
  const out: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...out, rest]);
    out.push((rest % 128) + 128);
  }
}
const envelope = (kind: string, raw: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from("k8s\0"), bytes(1, Buffer.concat([bytes(1, "v1"), bytes(2, kind)])), bytes(2, raw)]);
const join = (...parts: Buffer[]): Buffer => Buffer.concat(parts);

const refusalOf = (body: Uint8Array, definition = "Namespace"): string => {
  try {
    decodeProtobuf(body, definition);
  } catch (problem) {
    if (problem instanceof StatusError) return `${problem.httpStatus} ${problem.message}`;
    throw problem;
  }
  return "was taken";
};

describe("protobuf bodies", () => {
  it("of kubectl are read", () => {
    expect(decodeProtobuf(namespaceFoo, "Namespace")).toEqual({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: "foo" },
    });
  });

  it("have maps, bytes, lists, times, quantities, and fields that JSON has in place", () => {
    const metadata = bytes(
      1,
      join(bytes(1, "p"), bytes(11, join(bytes(1, "app"), bytes(2, "web"))), bytes(8, number(1, 1_700_000_000))),
    );
    const port = bytes(6, number(3, 8080));
    const limits = bytes(8, bytes(1, join(bytes(1, "cpu"), bytes(2, bytes(1, "500m")))));
    // Probe: 1 is the inlined handler, whose 2 is httpGet, whose 2 is the port.
    const probe = bytes(11, join(bytes(1, bytes(2, bytes(2, join(number(1, 1), bytes(3, "http"))))), number(2, 5)));
    const container = bytes(2, join(bytes(1, "c"), bytes(3, "a"), bytes(3, ""), port, limits, probe));
    const volume = bytes(1, join(bytes(1, "v"), bytes(2, bytes(2, Buffer.alloc(0)))));
    const pod = decodeProtobuf(envelope("Pod", join(metadata, bytes(2, join(volume, container, number(4, 0))))), "Pod");
    expect(pod).toEqual({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "p", labels: { app: "web" }, creationTimestamp: "2023-11-14T22:13:20Z" },
      spec: {
        volumes: [{ name: "v", emptyDir: {} }],
        containers: [
          {
            name: "c",
            command: ["a", ""],
            ports: [{ containerPort: 8080 }],
            resources: { limits: { cpu: "500m" } },
            readinessProbe: { httpGet: { port: "http" }, initialDelaySeconds: 5 },
          },
        ],
        // A pointer in Go: zero is a value.
        terminationGracePeriodSeconds: 0,
      },
    });
    const secret = decodeProtobuf(
      envelope("Secret", bytes(2, join(bytes(1, "pw"), bytes(2, Buffer.from([0, 255]))))),
      "Secret",
    );
    expect(secret).toMatchObject({ data: { pw: "AP8=" } });
  });

  it("may have fields of later versions", () => {
    const more = join(
      bytes(1, bytes(1, "foo")),
      bytes(99, "?"),
      number(98, 7),
      Buffer.from([...varint(97 * 8 + 5), 1, 2, 3, 4]),
    );
    expect(decodeProtobuf(envelope("Namespace", more), "Namespace")).toMatchObject({ metadata: { name: "foo" } });
  });

  it("may be JSON in the envelope", () => {
    const body = join(Buffer.from("k8s\0"), bytes(2, '{"kind":"Namespace"}'), bytes(4, "application/json"));
    expect(decodeProtobuf(body, "Namespace")).toEqual({ kind: "Namespace" });
  });

  it.each([
    ["nothing", Buffer.alloc(0)],
    ["JSON", Buffer.from('{"kind":"Namespace"}')],
    ["a length beyond the end", join(Buffer.from("k8s\0"), Buffer.from([0x12, 0x7f]))],
    ["a number without end", join(Buffer.from("k8s\0"), Buffer.alloc(20, 0xff))],
    ["a text that is not UTF-8", envelope("Namespace", bytes(1, bytes(1, Buffer.from([0xff]))))],
    ["a number for a text", envelope("Namespace", bytes(1, number(1, 5)))],
    ["a group", envelope("Namespace", Buffer.from([0x3b]))],
  ])("that are %s are refused", (_what, body) => {
    expect(refusalOf(body)).toMatch(/^400 the body is not protobuf of a Kubernetes object: /);
  });

  it("never harm: any bytes are an object or a 400, and no prototype changes (property)", () => {
    const anything = fc.uint8Array({ maxLength: 200 });
    const flips = fc.array(fc.tuple(fc.nat(namespaceFoo.length - 1), fc.nat(255)), { maxLength: 4 });
    fc.assert(
      fc.property(
        anything,
        flips,
        fc.constantFrom("Namespace", "Pod", "Deployment", "Secret"),
        (raw, changes, definition) => {
          const changed = Buffer.from(namespaceFoo);
          for (const [at, value] of changes) changed[at] = value;
          for (const body of [envelope(definition, raw), changed])
            expect(refusalOf(body, definition)).toMatch(/^400 |^was taken$/);
        },
      ),
    );
    const evil = envelope("ConfigMap", bytes(2, join(bytes(1, "__proto__"), bytes(2, "x"))));
    decodeProtobuf(evil, "ConfigMap");
    expect(({} as Record<string, unknown>)["x"]).toBeUndefined();
  });
});
