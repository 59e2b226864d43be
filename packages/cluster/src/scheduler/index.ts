// Decides where pods run.
export { schedulerName, startScheduler } from "./scheduler.ts";
