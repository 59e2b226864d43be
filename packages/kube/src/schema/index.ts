// Resource schemas from data: one table drives validation, defaulting, OpenAPI, table columns and patch merge keys.
export { definitions } from "./generated/definitions.ts";
export { type KindInfo, kinds, resources } from "./kinds.ts";
