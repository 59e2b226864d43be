// The Python client of docs/reference/protocol.md, which is examples/python-client/client.py, run as it stands there.
import { execFile } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { pythonWithZmq } from "../../../../tests/support/python.ts";
import { startChild, stopChildren } from "../testing/child.ts";

const python = pythonWithZmq() ?? "";
const hasZmq = python !== "";
if (!hasZmq)
  console.warn(
    "SKIPPED: the Python client's tests need pyzmq (Debian: apt install python3-zmq, else set WHERRY_PYTHON)",
  );

const run = promisify(execFile);
const client = fileURLToPath(new URL("../../../../examples/python-client/client.py", import.meta.url));

test("the protocol's page quotes the example as it is", async () => {
  const page = await readFile(new URL("../../../../docs/reference/protocol.md", import.meta.url), "utf8");
  expect(/```python\n([^]*?)```/.exec(page)?.[1]).toBe(await readFile(client, "utf8"));
});

test.skipIf(!hasZmq)("a python3 without pyzmq before Debian's in the path does not hide it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "wherry-python-"));
  try {
    const bare = join(folder, "python3");
    writeFileSync(bare, "#!/bin/sh\nexit 1\n");
    chmodSync(bare, 0o755);
    const env = { ...process.env, PATH: `${folder}:${process.env["PATH"] ?? ""}` };
    // By its path: the name alone would be that of the bare one now.
    const whole = (await run(python, ["-c", "import sys; print(sys.executable)"])).stdout.trim();
    expect(pythonWithZmq({ ...env, WHERRY_PYTHON: whole })).toBe(whole);
    const found = pythonWithZmq({ ...env, WHERRY_PYTHON: bare });
    expect(["/usr/bin/python3", undefined]).toContain(found);
    expect(found === undefined).toBe(pythonWithZmq({ PATH: "/usr/bin" }) === undefined);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

describe.skipIf(!hasZmq)("Python with pyzmq", () => {
  afterAll(stopChildren);

  test("the client of the protocol's page calls a service, and gets its typed errors", async () => {
    const { endpoint } = await startChild().listening;
    const { stdout } = await run(python, [client, endpoint, "echo", '{"hello": ["wörld", 1]}']);
    expect(JSON.parse(stdout)).toEqual({ hello: ["wörld", 1] });
    const failure = await run(python, [client, endpoint, "nope", "1"]).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      stderr: expect.stringMatching(/NOT_FOUND \(answered\): service echo has no method/),
    });
  });

  test("and asks a service to describe itself", async () => {
    const { endpoint } = await startChild().listening;
    const { stdout } = await run(python, [client, endpoint, "$describe", "null"]);
    expect(JSON.parse(stdout)).toMatchObject({ name: "echo", protocol: 1, methods: { echo: { trust: "external" } } });
  });

  test("a bare REQ socket is echoed", async () => {
    const { endpoint } = await startChild().listening;
    const script = `import sys, zmq
socket = zmq.Context.instance().socket(zmq.REQ)
socket.connect(sys.argv[1])
socket.send(b"hi")
print(socket.recv())`;
    expect((await run(python, ["-c", script, endpoint])).stdout).toBe("b'hi'\n");
  });
});
