// The node agent: what the daemon composes.
export { baseEnvironment, startAgent } from "./agent.ts";
export { preloadFile, processRuntime } from "./runtime/process-runtime.ts";
export { simulatedRuntime } from "./runtime/simulated-runtime.ts";
export type { Agent } from "./types.ts";
