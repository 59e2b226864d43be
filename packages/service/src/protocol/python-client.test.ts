// The Python client of docs/reference/protocol.md, run as it stands there.
import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { startChild, stopChildren } from "../testing/child.ts";

const python = process.env["WHERRY_PYTHON"] ?? "python3";
const hasZmq = spawnSync(python, ["-c", "import zmq"]).status === 0;
if (!hasZmq)
  console.warn(`SKIPPED: the Python client's tests need pyzmq for ${python} (Debian: apt install python3-zmq)`);

const run = promisify(execFile);

describe.skipIf(!hasZmq)("Python with pyzmq", () => {
  afterAll(stopChildren);

  test("the client of the protocol's page calls a service, and gets its typed errors", async () => {
    const folder = await mkdtemp(join(tmpdir(), "wherry-python-"));
    try {
      const page = await readFile(new URL("../../../../docs/reference/protocol.md", import.meta.url), "utf8");
      const code = /```python\n([^]*?)```/.exec(page)?.[1] ?? "";
      const file = join(folder, "client.py");
      await writeFile(file, code);
      const { endpoint } = await startChild().listening;
      const { stdout } = await run(python, [file, endpoint, "echo", '{"hello": ["wörld", 1]}']);
      expect(JSON.parse(stdout)).toEqual({ hello: ["wörld", 1] });
      const failure = await run(python, [file, endpoint, "nope", "1"]).catch((error: unknown) => error);
      expect(failure).toMatchObject({
        stderr: expect.stringMatching(/NOT_FOUND \(answered\): service echo has no method/),
      });
    } finally {
      await rm(folder, { recursive: true });
    }
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
