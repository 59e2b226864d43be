// A port for tests that must know it beforehand, or come back to it. Not one of those that the kernel gives to whoever connects or
// listens anywhere: between the test's look and its use, and while its server is down, it would be anybody's.
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

/** Below the kernel's own range: Linux begins that at 32768, others later. */
const [lowest, beyond] = [10_000, 32_768];

export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(lowest, beyond);
    const server = createServer();
    const listens = once(server.listen(port, "127.0.0.1"), "listening").then(
      () => true,
      () => false,
    );
    if (!(await listens)) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}
