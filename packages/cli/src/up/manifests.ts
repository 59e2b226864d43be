// Reads manifests: YAML with several documents, JSON, and `kind: List`. Says which file, document and line is wrong; what is
// wrong with an object's fields is the API's to say.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { parseYamlDocuments } from "@wherry/kube";
import { LineCounter, parseAllDocuments } from "yaml";
import type { KubeObject } from "@wherry/kube/types";
import { usageError } from "../errors.ts";
import { cliLimits } from "../limits.ts";
import { isManifestFile } from "./manifest-files.ts";

/** An object that `wherry up` applies. */
export interface PlannedObject {
  readonly object: KubeObject;
  /** Where it is from, for messages: `web.yaml, document 2`. */
  readonly source: string;
}

/** @param shown the path as the user gave it. A folder is read without its subfolders, in the order of names. */
export function readManifests(path: string, shown: string): PlannedObject[] {
  if (!statSync(path).isDirectory()) {
    const objects = readFile(path, shown);
    if (objects.length === 0) throw usageError(`${shown} holds no objects: nothing is applied`);
    return objects;
  }
  const found = readdirSync(path)
    .filter(isManifestFile)
    .sort()
    .flatMap((file) => readFile(join(path, file), join(shown, file)));
  if (found.length === 0) throw usageError(`the manifests in ${shown} hold no objects: nothing is applied`);
  if (found.length > cliLimits.manifestObjectsMax)
    throw usageError(
      `${shown} holds ${found.length} objects; ${cliLimits.manifestObjectsMax} at most are applied at once`,
    );
  return found;
}

function readFile(path: string, shown: string): PlannedObject[] {
  const { size } = statSync(path);
  if (size > cliLimits.manifestBytesMax)
    throw usageError(`${shown} has ${size} bytes; a manifest has ${cliLimits.manifestBytesMax} at most`);
  const text = readFileSync(path, "utf8");
  checkSyntax(text, shown);
  let documents: ReturnType<typeof parseYamlDocuments>;
  try {
    // The API's own reader, so that `0644` and `yes` mean here what they mean there.
    documents = parseYamlDocuments(text);
  } catch (error) {
    throw usageError(`${shown}: ${(error as Error).message}`);
  }
  return documents.flatMap(({ value }, index) =>
    value === null ? [] : flatten(value, documents.length === 1 ? shown : `${shown}, document ${index + 1}`),
  );
}

/** @throws CliError that says in which line and column it is no YAML, or says something twice */
function checkSyntax(text: string, shown: string): void {
  const lineCounter = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter, uniqueKeys: true });
  if ("empty" in documents) return;
  for (const { errors } of documents) {
    const [error] = errors;
    if (error === undefined) continue;
    const { line, col } = lineCounter.linePos(error.pos[0]);
    throw usageError(`${shown}:${line}:${col}: ${whatIsWrong(error.message)}`);
  }
}

/** The first line; where it is, is said before it. */
const whatIsWrong = (message: string): string =>
  (message.split("\n")[0] ?? "is no YAML").replace(/ at line \d+, column \d+:?$/, "");

function flatten(value: unknown, source: string): PlannedObject[] {
  if (!isObject(value))
    throw usageError(`${source}: expected an object with apiVersion and kind, got ${describe(value)}`);
  if (typeof value["apiVersion"] !== "string" || typeof value["kind"] !== "string")
    throw usageError(`${source}: apiVersion and kind are missing; is ${basename(source)} a Kubernetes manifest?`);
  if (value["kind"] === "List" && Array.isArray(value["items"]))
    return value["items"].flatMap((item, index) => flatten(item, `${source}, item ${index + 1}`));
  return [{ object: value, source }];
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const describe = (value: unknown): string =>
  Array.isArray(value) ? "a list" : `${typeof value} ${JSON.stringify(value)}`;
