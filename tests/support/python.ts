// Debian's Python with its ZeroMQ binding, for interoperability tests.
import { spawnSync } from "node:child_process";

/** A Python that can `import zmq` (Debian package python3-zmq), or undefined. */
export function pythonWithZmq(): string | undefined {
  return ["python3", "/usr/bin/python3"].find((python) => spawnSync(python, ["-c", "import zmq"]).status === 0);
}
