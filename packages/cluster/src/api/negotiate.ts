// What the client accepts (RFC 9110 §12.5.1) and what it sent. Pure. Answers are JSON or YAML, never protobuf; bodies may be
// protobuf too, because client-go's typed clients send it without asking.
import { notAcceptable, unsupportedMediaType } from "@wherry/kube";

export interface MediaType {
  /** `application/json`, lower case. */
  readonly type: string;
  readonly params: Readonly<Record<string, string>>;
}

export interface Presentation {
  readonly format: "json" | "yaml";
  /** As the server has it, as rows of a table, or its metadata alone. */
  readonly as: "object" | "table" | "metadata";
  /** Of the table or metadata: `meta.k8s.io/v1`. */
  readonly metaVersion: string;
}

const jsonType = "application/json";
const yamlType = "application/yaml";
export const protobufType = "application/vnd.kubernetes.protobuf";
const acceptedTypes = [jsonType, yamlType];
const bodyTypes = [jsonType, yamlType, protobufType];

/** Elements of an Accept header, most wanted first. Never throws; nonsense is left out. */
export function parseAccept(header: string | undefined): MediaType[] {
  if (header === undefined || header.trim() === "") return [{ type: "*/*", params: {} }];
  const elements = header.split(",").map((text) => parseMediaType(text));
  const weighted = elements.map((element, index) => ({ element, index, weight: weightOf(element) }));
  return weighted
    .filter(({ weight, element }) => weight > 0 && element.type.includes("/"))
    .sort((a, b) => b.weight - a.weight || a.index - b.index)
    .map(({ element }) => element);
}

export function parseMediaType(text: string): MediaType {
  const [type = "", ...rest] = text.split(";");
  const params: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const part of rest) {
    const equals = part.indexOf("=");
    if (equals > 0)
      params[part.slice(0, equals).trim().toLowerCase()] = part
        .slice(equals + 1)
        .trim()
        .replace(/^"|"$/g, "");
  }
  return { type: type.trim().toLowerCase(), params };
}

function weightOf({ params }: MediaType): number {
  if (params["q"] === undefined) return 1;
  const weight = Number(params["q"]);
  return weight >= 0 && weight <= 1 ? weight : 0;
}

/** @throws StatusError 406 when nothing that is accepted can be made. */
export function negotiate(header: string | undefined): Presentation {
  for (const { type, params } of parseAccept(header)) {
    const format = formatOf(type);
    if (format === undefined) continue;
    const as = presentationOf(params);
    if (as !== undefined) return { format, as, metaVersion: `meta.k8s.io/${params["v"] ?? "v1"}` };
  }
  throw notAcceptable(acceptedTypes);
}

function formatOf(type: string): Presentation["format"] | undefined {
  if (type === jsonType || type === "*/*" || type === "application/*") return "json";
  return type === yamlType ? "yaml" : undefined;
}

function presentationOf(params: MediaType["params"]): Presentation["as"] | undefined {
  if (params["as"] === undefined) return "object";
  if (params["g"] !== "meta.k8s.io") return undefined;
  const version = params["v"] ?? "v1";
  if (params["as"] === "Table" && (version === "v1" || version === "v1beta1")) return "table";
  const metadata = params["as"] === "PartialObjectMetadata" || params["as"] === "PartialObjectMetadataList";
  return metadata && (version === "v1" || version === "v1beta1") ? "metadata" : undefined;
}

/** How a body is to be read. Without a type it is JSON. @throws StatusError 415. */
export function bodyFormat(contentType: string | undefined): "json" | "yaml" | "protobuf" {
  const { type } = parseMediaType(contentType ?? "");
  if (type === "" || type === jsonType) return "json";
  if (type === yamlType) return "yaml";
  if (type === protobufType) return "protobuf";
  throw unsupportedMediaType(bodyTypes);
}
