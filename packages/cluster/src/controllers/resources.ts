// The typed resources that the loops read and write.
export { resources } from "@wherry/kube";
