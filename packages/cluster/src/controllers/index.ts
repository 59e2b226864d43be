// The control loops that turn wishes into pods.
export { type ControllersEnvironment, startControllers } from "./start.ts";
