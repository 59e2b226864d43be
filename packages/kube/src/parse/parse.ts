// Bodies and manifests: JSON and YAML text to plain values, within limits. Throws nothing but StatusError 400 (413 when the
// text is too long); never makes an object with a foreign prototype.
import { asError } from "@wherry/core";
import { limits } from "../limits.ts";
import { badRequest, tooLarge } from "../status.ts";
import type { Json } from "../types/index.ts";
import { scanJson } from "./json-scan.ts";
import { readYaml } from "./yaml.ts";

export interface Parsed {
  readonly value: Json;
  /** Paths of keys that came more than once: `spec.replicas`. The last value counts, as in Kubernetes. */
  readonly duplicates: readonly string[];
}

function checkLength(text: string): void {
  if (text.length > limits.jsonTextMax) throw tooLarge(`limit is ${limits.jsonTextMax}`);
}

/** @throws StatusError 400 for text that is not JSON, too deep, or has keys aimed at prototypes; 413 when too long. */
export function parseJson(text: string): Parsed {
  checkLength(text);
  const { duplicates, refused } = scanJson(text);
  if (refused !== undefined) throw badRequest(`the body is refused: ${refused}`);
  try {
    return { value: JSON.parse(text) as Json, duplicates };
  } catch (problem) {
    throw badRequest(`the body is not JSON: ${asError(problem).message}`);
  }
}

/** Every document of a YAML stream that is not empty. @throws StatusError as `parseJson`. */
export function parseYamlDocuments(text: string): Parsed[] {
  checkLength(text);
  try {
    return readYaml(text);
  } catch (problem) {
    throw badRequest(`the text is not YAML: ${asError(problem).message}`);
  }
}

/** One YAML document. @throws StatusError as `parseJson` (413 beyond `yamlTextMax`), and when there are several or none. */
export function parseYaml(text: string): Parsed {
  if (text.length > limits.yamlTextMax)
    throw tooLarge(
      `limit is ${limits.yamlTextMax} for YAML; send it as JSON, of which ${limits.jsonTextMax} are taken`,
    );
  const documents = parseYamlDocuments(text);
  const [only] = documents;
  if (only === undefined || documents.length > 1)
    throw badRequest(`expected one YAML document, got ${documents.length}; send them one by one`);
  return only;
}
