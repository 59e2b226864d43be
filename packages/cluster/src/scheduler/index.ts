// Decides where pods run.
export { startScheduler } from "./scheduler.ts";
