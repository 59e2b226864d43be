// Both runtimes keep the contract.
import { SystemClock } from "@wherry/core";
import { processRuntime } from "./process-runtime.ts";
import { describeRuntime } from "./runtime.suite.ts";
import { simulatedRuntime } from "./simulated-runtime.ts";

const clock = new SystemClock();
describeRuntime({ name: "process", create: () => processRuntime({ clock }) });
describeRuntime({
  name: "simulated",
  create: () => simulatedRuntime({ clock }),
  withoutProcesses: "a simulated container has no process, no output and no exit of its own",
});
