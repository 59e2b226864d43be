// The control-loop kit: informers, work queue, reconciler loop.
export {
  type Controller,
  type ControllerDefinition,
  controller,
  type Source,
  type SourceOptions,
  watching,
} from "./controller.ts";
export { createEventRecorder, type EventRecorder, type EventRecorderOptions } from "./event-recorder.ts";
export { Expectations } from "./expectations.ts";
export { createInformer, type InformerEnvironment, type Selection, type StandaloneInformer } from "./informer.ts";
export { createInformers, type InformersOptions } from "./informers.ts";
export { controllerKeyOf, keyOf, splitKey } from "./key.ts";
export { type RunOptions, runController } from "./run-controller.ts";
export type * from "./types.ts";
export { createWorkQueue, type WorkQueueOptions } from "./work-queue.ts";
