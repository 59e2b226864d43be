// A serial service whose handler holds the event loop for 5 ms, as work does. Says its endpoint in a line; ends with its stdin.
import { method, serve, service } from "@wherry/service";

const workMs = 5;

function work(): number {
  const startMs = performance.now();
  while (performance.now() - startMs < workMs);
  return startMs;
}

const { endpoint } = await serve(service("worker", { methods: { work: method({ handler: work }) } }));
process.stdout.write(`${endpoint}\n`);
process.stdin.resume().on("end", () => process.exit(0));
