// One pass over JSON text for what JSON.parse can't tell: how deep it is, which keys come twice, and keys that are aimed at
// prototypes. Does not check syntax: JSON.parse does that right after. Cost: linear, no allocation but for keys.
import { limits } from "../limits.ts";

export interface Scan {
  /** Paths of keys that come again: `spec.replicas`, `spec.containers[0].image`; each once. */
  readonly duplicates: string[];
  /** Why the text must not be parsed at all. */
  readonly refused: string | undefined;
}

const quoteMark = 34;
const backslash = 92;
const openObject = 123;
const closeObject = 125;
const openList = 91;
const closeList = 93;
const comma = 44;

/** One level of the document: an object with the keys seen and the key at hand, or a list with the index at hand. */
interface Level {
  list: boolean;
  index: number;
  key: string;
  expectKey: boolean;
  readonly keys: Set<string>;
}

const newLevel = (): Level => ({ list: false, index: 0, key: "", expectKey: false, keys: new Set() });

function pathTo(levels: readonly Level[], depth: number): string {
  let path = "";
  for (let index = 1; index <= depth; index++) {
    const level = levels[index];
    if (level === undefined) break;
    if (level.list) path += `[${level.index}]`;
    else path += path === "" ? level.key : `.${level.key}`;
  }
  return path;
}

/** The index of the closing quote of the string that opens at `start`, or the end of the text. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end > 0) {
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === backslash) slashes++;
    if (slashes % 2 === 0) return end;
    end = text.indexOf('"', end + 1);
  }
  return text.length;
}

function decodeKey(raw: string): string {
  if (!raw.includes("\\")) return raw;
  try {
    return JSON.parse(`"${raw}"`) as string;
  } catch {
    return raw; // JSON.parse of the whole text is about to say so.
  }
}

class Scanner {
  readonly duplicates = new Set<string>();
  readonly #levels: Level[] = [newLevel()];
  #depth = 0;

  open(list: boolean): string | undefined {
    this.#depth++;
    if (this.#depth > limits.jsonDepthMax) return `nested deeper than ${limits.jsonDepthMax} levels`;
    const level = (this.#levels[this.#depth] ??= newLevel());
    level.list = list;
    level.index = 0;
    level.key = "";
    level.expectKey = !list;
    level.keys.clear();
    return undefined;
  }

  close(): void {
    if (this.#depth > 0) this.#depth--;
  }

  get expectsKey(): boolean {
    return this.#levels[this.#depth]?.expectKey ?? false;
  }

  separator(): void {
    const level = this.#levels[this.#depth];
    if (level === undefined) return;
    if (level.list) level.index++;
    else level.expectKey = true;
  }

  key(key: string): string | undefined {
    const level = this.#levels[this.#depth];
    if (level === undefined) return undefined;
    level.key = key;
    level.expectKey = false;
    const parent = this.#levels[this.#depth - 1];
    if (key === "__proto__" || (key === "prototype" && parent?.list === false && parent.key === "constructor"))
      return `key ${JSON.stringify(pathTo(this.#levels, this.#depth))} is not allowed`;
    if (level.keys.has(key) && this.duplicates.size < limits.findingsMax)
      this.duplicates.add(pathTo(this.#levels, this.#depth));
    level.keys.add(key);
    return undefined;
  }
}

export function scanJson(text: string): Scan {
  const scanner = new Scanner();
  let refused: string | undefined;
  for (let at = 0; at < text.length && refused === undefined; at++) {
    switch (text.charCodeAt(at)) {
      case quoteMark: {
        const end = endOfString(text, at);
        if (scanner.expectsKey) refused = scanner.key(decodeKey(text.slice(at + 1, end)));
        at = end;
        break;
      }
      case openObject:
        refused = scanner.open(false);
        break;
      case openList:
        refused = scanner.open(true);
        break;
      case closeObject:
      case closeList:
        scanner.close();
        break;
      case comma:
        scanner.separator();
        break;
      default:
        break;
    }
  }
  return { duplicates: [...scanner.duplicates], refused };
}
