export function toolPath(tool: "kubectl" | "helm"): string;
export function kubectlPath(): string;
