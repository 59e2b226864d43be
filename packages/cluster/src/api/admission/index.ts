// The plugins, in their order. https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/
import type { AdmissionPlugin } from "./admission.ts";
import { namespaceLifecycle } from "./namespace-lifecycle.ts";
import { podDefaults } from "./pods.ts";

export type * from "./admission.ts";
export const admissionPlugins: readonly AdmissionPlugin[] = [namespaceLifecycle, podDefaults];
