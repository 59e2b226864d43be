// The words in which Kubernetes refuses a field (k8s.io/apimachinery pkg/util/validation/field). Collects, never throws.
import { limits } from "../limits.ts";
import type { FieldError } from "../status.ts";

const shown = (value: unknown): string => (value === undefined ? "null" : JSON.stringify(value));

/** Collects what is wrong with one object, up to `limits.fieldErrorsMax`. */
export class Errors {
  readonly found: FieldError[] = [];

  #add(field: string, reason: FieldError["reason"], message: string): void {
    const known = this.found.some((one) => one.field === field && one.message === message);
    if (!known && this.found.length < limits.fieldErrorsMax) this.found.push({ field, reason, message });
  }

  required(field: string, detail = ""): void {
    this.#add(field, "FieldValueRequired", detail === "" ? "Required value" : `Required value: ${detail}`);
  }

  invalid(field: string, value: unknown, detail: string): void {
    this.#add(field, "FieldValueInvalid", `Invalid value: ${shown(value)}: ${detail}`);
  }

  unsupported(field: string, value: unknown, supported: readonly string[]): void {
    const values = supported.toSorted().map(shown).join(", ");
    this.#add(field, "FieldValueNotSupported", `Unsupported value: ${shown(value)}: supported values: ${values}`);
  }

  duplicate(field: string, value: unknown): void {
    this.#add(field, "FieldValueDuplicate", `Duplicate value: ${shown(value)}`);
  }

  forbidden(field: string, detail: string): void {
    this.#add(field, "FieldValueForbidden", `Forbidden: ${detail}`);
  }

  tooLong(field: string, maxBytes: number): void {
    this.#add(field, "FieldValueTooLong", `Too long: may not be more than ${maxBytes} bytes`);
  }

  notFound(field: string, value: unknown): void {
    this.#add(field, "FieldValueNotFound", `Not found: ${shown(value)}`);
  }
}

/** `spec` + `replicas` → `spec.replicas`. */
export const below = (path: string, name: string): string => (path === "" ? name : `${path}.${name}`);
