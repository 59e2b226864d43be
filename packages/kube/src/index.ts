// The Kubernetes object model, pure: no I/O, no timers. Client: `@wherry/kube/client`; loops: `@wherry/kube/controller`.
export type * from "./types/index.ts";
export {
  type Condition as AnyCondition,
  conditionIsTrue,
  findCondition,
  removeCondition,
  setCondition,
} from "./conditions.ts";
export { applyDefaults, decodeAs } from "./defaults/apply.ts";
export { pullPolicyOf } from "./defaults/table.ts";
export {
  generateName,
  isConfigKey,
  isDnsLabel,
  isDnsSubdomain,
  isEnvName,
  isLabelKey,
  isLabelValue,
  nameAlphabet,
  nameSuffix,
  templateHash,
} from "./names.ts";
export { openApiV2, openApiV3, openApiV3Index } from "./openapi/documents.ts";
export { type Parsed, parseJson, parseYaml, parseYamlDocuments } from "./parse/parse.ts";
export { applyPatch, type PlainPatchType } from "./patch/apply.ts";
export { jsonPatch } from "./patch/json-patch.ts";
export { mergePatch } from "./patch/merge-patch.ts";
export { strategicMerge } from "./patch/strategic.ts";
export {
  addQuantities,
  canonicalQuantity,
  compareQuantities,
  formatQuantity,
  parseQuantity,
  type Quantity,
  quantityToNumber,
  subtractQuantities,
} from "./quantity.ts";
export { checkFields, type FieldFinding } from "./schema/check-fields.ts";
export { decodingWarnings, type FieldValidation } from "./schema/decoding.ts";
export { definitionBelow, type Field, type FieldType, fieldsOf } from "./schema/field-types.ts";
export { type ListRule, listRule } from "./schema/lists.ts";
export { type KindInfo, kinds, resources } from "./schema/kinds.ts";
export { type FieldSelector, parseFieldSelector, selectableFields } from "./select/fields.ts";
export {
  everything,
  type Labels,
  nothing,
  parseLabelSelector,
  type Selector,
  selectorOf,
  selectorOfMap,
} from "./select/labels.ts";
export {
  alreadyExists,
  badRequest,
  conflict,
  expired,
  type FieldError,
  forbidden,
  gone,
  internalError,
  invalid,
  makeStatus,
  methodNotAllowed,
  notAcceptable,
  notFound,
  serviceUnavailable,
  StatusError,
  statusOf,
  timeout,
  tooLarge,
  tooManyRequests,
  unauthorized,
  unknownPath,
  unprocessable,
  unsupportedMediaType,
} from "./status.ts";
export type { Cell, TableColumn } from "./tables/column.ts";
export { podSummary } from "./tables/pod.ts";
export { tableColumns, tableRow, tableRowConditions } from "./tables/table.ts";
export { age, humanDuration, microTimeText, timeOf, timeText } from "./time.ts";
export { validateAs, validateCreate, validateUpdate } from "./validate/validate.ts";
export { cloneJson, deepEqual, deepFreeze, fieldAt, stableJson } from "./value.ts";
