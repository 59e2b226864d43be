// Selectors of objects in the caches, made once per object: a pod's change is held against every Service and ReplicaSet of
// its namespace. The caches' objects are frozen, so that the selector stays what it was.
import { type LabelSelector, nothing, type Selector, selectorOf, selectorOfMap } from "@wherry/kube";

const ofSelectors = new WeakMap<LabelSelector, Selector>();
const ofMaps = new WeakMap<object, Selector>();

/** An absent selector selects nothing. */
export function cachedSelector(selector: LabelSelector | undefined): Selector {
  if (selector === undefined) return nothing;
  let made = ofSelectors.get(selector);
  if (made === undefined) ofSelectors.set(selector, (made = selectorOf(selector)));
  return made;
}

/** A Service's: an absent or empty one selects nothing. */
export function cachedServiceSelector(labels: { readonly [key: string]: string } | undefined): Selector {
  if (labels === undefined) return nothing;
  let made = ofMaps.get(labels);
  if (made === undefined) ofMaps.set(labels, (made = selectorOfMap(labels)));
  return made;
}
