// YAML as Kubernetes reads it (sigs.k8s.io/yaml, that is YAML 1.1 in part): `0644` is octal, `yes` and `on` are booleans,
// timestamps stay text, `<<` merges. Never expands more aliases than the limit, and knows no custom tag.
import type { Document, ScalarTag, YAMLParseError } from "yaml";
import { limits } from "../limits.ts";
import type { Json } from "../types/index.ts";
import { scanJson } from "./json-scan.ts";

type Yaml = typeof import("yaml");
let loaded: Yaml | undefined;
/** Loaded with the first YAML: few processes ever read any, and loading it is 20 ms of a start. */
function yaml(): Yaml {
  loaded ??= process.getBuiltinModule("node:module").createRequire(import.meta.url)("yaml") as Yaml;
  return loaded;
}

const octal: ScalarTag = {
  identify: () => false,
  default: true,
  tag: "tag:yaml.org,2002:int",
  test: /^[-+]?0[0-7]+$/,
  resolve: (text) => Number.parseInt(text, 8),
};
const boolean: ScalarTag = {
  identify: () => false,
  default: true,
  tag: "tag:yaml.org,2002:bool",
  test: /^(?:yes|Yes|YES|on|On|ON|no|No|NO|off|Off|OFF)$/,
  resolve: (text) => /^(?:y|on)/i.test(text),
};

/** Paths of keys that come twice in the text itself; what an alias stands for is looked at where it is written. */
function duplicatesOf(node: unknown, path: string, found: Set<string>): void {
  const { isAlias, isMap, isScalar, isSeq } = yaml();
  if (isSeq(node)) for (const [index, item] of node.items.entries()) duplicatesOf(item, `${path}[${index}]`, found);
  if (!isMap(node)) return;
  const seen = new Set<string>();
  for (const { key, value } of node.items) {
    const name = isScalar(key) ? String(key.value) : String(key);
    const at = path === "" ? name : `${path}.${name}`;
    if (seen.has(name) && found.size < limits.findingsMax) found.add(at);
    seen.add(name);
    if (!isAlias(value)) duplicatesOf(value, at, found);
  }
}

/** The parser's own words, and where: it makes them for each of its errors alike, which takes minutes of a hostile text. */
function describe({ message, pos }: Pick<YAMLParseError, "message" | "pos">, text: string): Error {
  const before = text.slice(0, pos[0]);
  const start = before.lastIndexOf("\n") + 1;
  const line = before.split("\n").length;
  const excerpt = /^.{0,80}/.exec(text.slice(start))?.[0] ?? "";
  return new Error(`${message} at line ${line}, column ${pos[0] - start + 1}: ${excerpt.trim()}`);
}

function readDocument(document: Document.Parsed, source: string): { value: Json; duplicates: string[] } {
  const problem = document.errors[0];
  if (problem !== undefined) throw describe(problem, source);
  // Through JSON: keys become text, prototypes stay plain, and the same scanner looks for depth and prototype keys.
  const text = JSON.stringify(document.toJS({ maxAliasCount: limits.yamlAliasesMax }));
  if (text.length > limits.jsonTextMax) throw new Error(`aliases expand it beyond ${limits.jsonTextMax} characters`);
  const { refused } = scanJson(text);
  if (refused !== undefined) throw new Error(refused);
  const duplicates = new Set<string>();
  duplicatesOf(document.contents, "", duplicates);
  return { value: JSON.parse(text) as Json, duplicates: [...duplicates] };
}

/** @throws Error in plain words; the caller wraps it. */
export function readYaml(text: string): { value: Json; duplicates: string[] }[] {
  const documents = yaml().parseAllDocuments(text, {
    uniqueKeys: false,
    merge: true,
    customTags: (tags) => [octal, boolean, ...tags],
    logLevel: "error",
    prettyErrors: false,
  });
  if (!Array.isArray(documents)) return [];
  if (documents.length > limits.yamlDocumentsMax) throw new Error(`more than ${limits.yamlDocumentsMax} documents`);
  return documents
    .filter((document) => document.contents !== null || document.errors.length > 0)
    .map((document) => readDocument(document, text))
    .filter(({ value }) => value !== null);
}
