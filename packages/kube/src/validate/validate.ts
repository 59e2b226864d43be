// Whether an object may be stored. Expects an object that has its defaults and the right JSON types (`checkFields`,
// `applyDefaults`); says everything that is wrong with it, and changes nothing.
import type { FieldError } from "../status.ts";
import type { KubeObject } from "../types/index.ts";
import { isObject } from "../value.ts";
import { Errors } from "./errors.ts";
import { checks, specRequired } from "./kinds.ts";
import { checkMetadata, checkMetadataUpdate } from "./metadata.ts";
import { nameRules } from "./rules.ts";
import { checkUpdate } from "./update.ts";
import { type Part, walk } from "./walk.ts";

interface KindName {
  readonly kind: string;
  readonly definition: string;
  readonly namespaced: boolean;
}

function checkObject(kind: KindName, object: KubeObject, errors: Errors): void {
  const rule = Object.hasOwn(nameRules, kind.kind) ? nameRules[kind.kind] : undefined;
  checkMetadata(object.metadata ?? {}, rule ?? "subdomain", kind.namespaced, errors);
  const part = object as Part;
  if (specRequired.has(kind.kind) && !isObject(part["spec"])) errors.required("spec");
  walk(kind.definition, part, "", errors, checks);
}

/** What is wrong with a new object; empty when nothing is. Throw it as `invalid(kind, name, errors)`. */
export function validateCreate(kind: KindName, object: KubeObject): FieldError[] {
  const errors = new Errors();
  checkObject(kind, object, errors);
  return errors.found;
}

/**
 * What is wrong with a changed object: all that `validateCreate` finds, and changes of what must not change.
 * @param subresource the one that is written: `status` and `binding` have rights over fields that are fixed otherwise.
 */
export function validateUpdate(
  kind: KindName,
  next: KubeObject,
  previous: KubeObject,
  subresource?: string,
): FieldError[] {
  const errors = new Errors();
  checkMetadataUpdate(next.metadata ?? {}, previous.metadata ?? {}, errors);
  if (subresource === "status") return errors.found;
  checkObject(kind, next, errors);
  if (subresource !== "binding") checkUpdate(kind.kind, next as Part, previous as Part, errors);
  return errors.found;
}

/** The same for a body that is no kind of its own (`Scale`, `Binding`, `TokenRequest`): the tables alone. */
export function validateAs(definition: string, object: KubeObject): FieldError[] {
  const errors = new Errors();
  walk(definition, object as Part, "", errors, checks);
  return errors.found;
}
