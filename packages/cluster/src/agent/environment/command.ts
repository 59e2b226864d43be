// What a container runs, and where the paths in it lead. Pure.
import type { Container } from "@wherry/kube";
import type { Image } from "../images.ts";
import { expand } from "./expand.ts";

/**
 * Program and arguments: `command` replaces the image's entrypoint *and* its cmd, `args` its cmd alone.
 * (https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container/)
 */
export function commandOf(
  container: Container,
  image: Image,
  lookup: (name: string) => string | undefined,
): readonly string[] {
  const command = (container.command ?? []).map((text) => expand(text, lookup));
  const args = (container.args ?? []).map((text) => expand(text, lookup));
  if (command.length > 0) return [...command, ...args];
  return [...image.entrypoint, ...(args.length > 0 ? args : image.cmd)];
}

/** A mount that can't be made: what the container calls `mountPath` is `hostPath` on this machine. */
export interface MountRewrite {
  readonly mountPath: string;
  readonly hostPath: string;
}

/**
 * A process sees the machine's files, so a path into a volume is replaced by where the volume really is: in a whole argument or
 * value (`/etc/app/x`), in each part of a `:`-separated list, and after the `=` of an option (`--config=/etc/app/x`). The longest mount path wins.
 */
export function rewritePaths(text: string, mounts: readonly MountRewrite[]): string {
  if (mounts.length === 0 || !text.includes("/")) return text;
  const equals = text.startsWith("-") ? text.indexOf("=") + 1 : 0;
  const head = text.slice(0, equals);
  const tail = text.slice(equals);
  const parts = tail.startsWith("/") ? tail.split(":") : [tail];
  return head + parts.map((part) => rewriteOne(part, mounts)).join(":");
}

function rewriteOne(path: string, mounts: readonly MountRewrite[]): string {
  let best: MountRewrite | undefined;
  for (const mount of mounts) {
    const inside =
      path === mount.mountPath ||
      path.startsWith(mount.mountPath.endsWith("/") ? mount.mountPath : `${mount.mountPath}/`);
    if (inside && mount.mountPath.length > (best?.mountPath.length ?? 0)) best = mount;
  }
  if (best === undefined) return path;
  const rest = path.slice(best.mountPath.length).replace(/^\//, "");
  return rest === "" ? best.hostPath : `${best.hostPath}/${rest}`;
}
