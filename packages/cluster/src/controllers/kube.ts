// The names of the object model that nearly every loop uses, in one place.
export type { KubeClient, Resource } from "@wherry/kube/client";
export type {
  Deployment,
  DeploymentCondition,
  DeploymentStatus,
  KubeObject,
  Mutable,
  OwnerReference,
  Pod,
  PodTemplateSpec,
  ReplicaSet,
  ReplicaSetCondition,
  ReplicaSetStatus,
  Stored,
} from "@wherry/kube";
