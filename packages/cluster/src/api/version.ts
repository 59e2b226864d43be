// `/version` and `/`: what this server says about itself.
import { kinds } from "@wherry/kube";
import { plainRoots } from "./routes.ts";

/** The version of Kubernetes whose API this is. */
const kubernetes = { major: "1", minor: "35", gitVersion: "v1.35.0" } as const;

/** `/version`. @param wherry Wherry's own version. */
export function versionOf(wherry: string): object {
  return {
    ...kubernetes,
    gitVersion: `${kubernetes.gitVersion}+wherry-${wherry}`,
    gitCommit: "",
    gitTreeState: "clean",
    buildDate: "1970-01-01T00:00:00Z",
    goVersion: "none",
    compiler: "none",
    platform: `${process.platform}/${process.arch === "x64" ? "amd64" : process.arch}`,
  };
}

/** `/`. */
export const rootPaths = (): string[] => [
  ...plainRoots.filter((root) => root !== "").map((root) => `/${root}`),
  ...new Set(kinds.map(({ group, version }) => (group === "" ? `/api/${version}` : `/apis/${group}/${version}`))),
];
