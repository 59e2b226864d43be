// Kubernetes' own variable references in command, args and env values: `$(NAME)`. Not a shell: nothing else is interpreted.
// Upstream: third_party/forked/golang/expansion/expand.go.

/** `$$` stands for `$` (so `$$(NAME)` is literal), an unknown name stays as it is written. */
export function expand(text: string, lookup: (name: string) => string | undefined): string {
  if (!text.includes("$")) return text;
  return text.replace(/\$\$|\$\(([^)]*)\)/g, (whole: string, name: string | undefined) => {
    if (name === undefined) return "$";
    return lookup(name) ?? whole;
  });
}
