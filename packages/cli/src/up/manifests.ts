// Reads manifests: YAML with several documents, JSON, and `kind: List`. Says which file, document and line is wrong; what is
// wrong with an object's fields is the API's to say.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, extname, join } from "node:path";
import type { KubeObject } from "@wherry/kube/types";
import { LineCounter, parseAllDocuments } from "yaml";
import { usageError } from "../errors.ts";
import { cliLimits } from "../limits.ts";
import type { PlannedObject } from "./plan.ts";

const notManifests = new Set(["package.json", "package-lock.json", "tsconfig.json", "wherry.yaml"]);

/** @param shown the path as the user gave it. A folder is read without its subfolders, in the order of names. */
export function readManifests(path: string, shown: string): PlannedObject[] {
  if (!statSync(path).isDirectory()) return readFile(path, shown);
  const found = readdirSync(path)
    .filter((file) => [".yaml", ".yml", ".json"].includes(extname(file)) && !notManifests.has(file))
    .sort()
    .flatMap((file) => readFile(join(path, file), join(shown, file)));
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
  const lines = new LineCounter();
  const documents = parseAllDocuments(readFileSync(path, "utf8"), { lineCounter: lines, uniqueKeys: true });
  if ("empty" in documents) return [];
  const objects: PlannedObject[] = [];
  documents.forEach((document, index) => {
    const [error] = document.errors;
    const source = documents.length === 1 ? shown : `${shown}, document ${index + 1}`;
    if (error !== undefined) {
      const { line, col } = lines.linePos(error.pos[0]);
      throw usageError(`${shown}:${line}:${col}: ${error.message.split("\n")[0] ?? "is no YAML"}`);
    }
    let value: unknown;
    try {
      value = document.toJS({ maxAliasCount: 100 });
    } catch (thrown) {
      throw usageError(`${source}: ${(thrown as Error).message}`);
    }
    if (value === null || value === undefined) return;
    objects.push(...flatten(value, source));
  });
  return objects;
}

function flatten(value: unknown, source: string): PlannedObject[] {
  if (!isObject(value))
    throw usageError(`${source}: expected an object with apiVersion and kind, got ${describe(value)}`);
  if (typeof value["apiVersion"] !== "string" || typeof value["kind"] !== "string")
    throw usageError(`${source}: apiVersion and kind are missing; is ${basename(source)} a Kubernetes manifest?`);
  if (value["kind"] === "List" && Array.isArray(value["items"]))
    return value["items"].flatMap((item, index) => flatten(item, `${source}, item ${index + 1}`));
  return [{ object: value as KubeObject, source }];
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const describe = (value: unknown): string =>
  Array.isArray(value) ? "a list" : `${typeof value} ${JSON.stringify(value)}`;
