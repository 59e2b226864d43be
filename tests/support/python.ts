// A Python with its ZeroMQ binding, for interoperability tests.
import { spawnSync } from "node:child_process";

/**
 * A Python that can `import zmq`: the one that WHERRY_PYTHON names, else the first of the path's and Debian's own (package
 * python3-zmq), for the path's may be pyenv's, which has no packages. Undefined when none can.
 */
export function pythonWithZmq(env: Readonly<Record<string, string | undefined>> = process.env): string | undefined {
  const candidates = [env["WHERRY_PYTHON"], "python3", "/usr/bin/python3"].filter((python) => python !== undefined);
  return candidates.find((python) => spawnSync(python, ["-c", "import zmq"], { env }).status === 0);
}
