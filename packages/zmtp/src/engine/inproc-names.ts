// The `inproc` endpoints of this thread: who has bound one, and who waits for somebody to do so. The order of bind and connect does not
// matter.
import type { InprocLink } from "./inproc.ts";

/** Makes the binding socket's end for one that connects, or says why not. */
export type Acceptor = (dialling: InprocLink) => void;

const bound = new Map<string, Acceptor>();
const waiting = new Map<string, Set<InprocLink>>();

/** @returns ends the binding; undefined when the name is taken. */
export function bindName(name: string, accept: Acceptor): (() => void) | undefined {
  if (bound.has(name)) return undefined;
  bound.set(name, accept);
  const dialling = waiting.get(name) ?? [];
  waiting.delete(name);
  for (const link of dialling) accept(link);
  return () => {
    if (bound.get(name) === accept) bound.delete(name);
  };
}

/** Hands the link to whoever has bound the name, or lets it wait for that. */
export function dialName(name: string, link: InprocLink): void {
  const accept = bound.get(name);
  if (accept !== undefined) {
    accept(link);
    return;
  }
  const links = waiting.get(name) ?? new Set();
  waiting.set(name, links);
  links.add(link);
}

/** It waits no longer. */
export function forgetDial(name: string, link: InprocLink): void {
  const links = waiting.get(name);
  if (links?.delete(link) === true && links.size === 0) waiting.delete(name);
}
