// The talk's echo server: `echo` for clients of Wherry, `raw` for any plain ZeroMQ socket.
import { run, service } from "@wherry/service";

await run(service("echo", { methods: { echo: (body: unknown) => body }, raw: (frames) => frames }));
