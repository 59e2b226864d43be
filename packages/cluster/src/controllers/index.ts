// The control loops that turn wishes into pods.
export { startControllers } from "./start.ts";
