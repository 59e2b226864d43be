// The node agent: what the daemon composes.
export { baseEnvironment, runtimeAnnotation, startAgent } from "./agent.ts";
export type { Image, Images } from "./images.ts";
export { type ProcessRuntimeOptions, preloadFile, processRuntime } from "./runtime/process-runtime.ts";
export { simulatedRuntime } from "./runtime/simulated-runtime.ts";
export type { Agent, AgentOptions } from "./types.ts";
