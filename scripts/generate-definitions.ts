// Generates packages/kube/src/{schema/definitions.ts,types/definitions.ts} from the model metadata of
// @kubernetes/client-node: names, types and which fields are required. Those files hold facts only; the prose of the
// upstream descriptions is left out. Merge keys, defaults and validation rules are ours, in packages/kube/src/schema.
//
//   npm run generate            writes the two files
//   npm run generate -- --out D  writes them below the folder D instead
//
// Never run at install or start-up: the output is committed, and a test compares it with this program's.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/** The kinds that the API serves; everything they reach is generated too. */
const roots = [
  "V1ConfigMap",
  "CoreV1Event",
  "V1Deployment",
  "V1EndpointSlice",
  "V1Endpoints",
  "V1Namespace",
  "V1Node",
  "V1Pod",
  "V1PodDisruptionBudget",
  "V1ReplicaSet",
  "V1Scale",
  "V1Secret",
  "V1Service",
  "V1ServiceAccount",
  "V1Binding",
  "V1Eviction",
  "V1DeleteOptions",
  "V1Status",
  "AuthenticationV1TokenRequest",
  "V1LabelSelector",
];

interface Attribute {
  readonly baseName: string;
  readonly type: string;
  readonly format: string;
}
type Fields = Record<string, string>;

const models = join(
  dirname(createRequire(import.meta.url).resolve("@kubernetes/client-node/package.json")),
  "dist/gen/models",
);
const { values: options } = parseArgs({ options: { out: { type: "string" } } });
const out = options.out ?? join(dirname(fileURLToPath(import.meta.url)), "../packages/kube/src");

/** V1PodSpec → PodSpec, CoreV1Event → Event, DiscoveryV1EndpointPort → DiscoveryEndpointPort. */
const plainName = (model: string): string => model.replace(/^CoreV1/, "").replace(/V1/, "");

/** Go-like type text: `[]Container`, `map[string]Quantity`, `int32`; `!` at the end marks a required field. */
function typeText(attribute: Attribute, reach: (model: string) => void): string {
  const { type, format } = attribute;
  const array = /^(?:Array|Set)<(.+)>$/.exec(type);
  if (array?.[1] !== undefined) return `[]${typeText({ ...attribute, type: array[1] }, reach)}`;
  const map = /^\{ \[key: string\]: (.+?);? \}$/.exec(type);
  if (map?.[1] !== undefined) {
    // The model calls them strings; in Kubernetes they are ResourceLists.
    const quantities = ["limits", "requests", "capacity", "allocatable", "allocatedResources", "overhead", "resources"];
    if (map[1] === "string" && quantities.includes(attribute.baseName)) return "map[string]Quantity";
    return `map[string]${typeText({ ...attribute, type: map[1], baseName: "" }, reach)}`;
  }
  switch (type) {
    case "string":
      if (format === "quantity" || attribute.baseName === "sizeLimit" || attribute.baseName === "divisor")
        return "Quantity";
      return format === "byte" ? "byte" : "string";
    case "boolean":
      return "boolean";
    case "number":
      return format === "" ? "double" : format;
    case "Date":
      return "Time";
    case "V1MicroTime":
      return "MicroTime";
    case "IntOrString":
      return "IntOrString";
    case "any":
      return "any";
    default:
      reach(type);
      return plainName(type);
  }
}

async function collect(): Promise<Map<string, Fields>> {
  const definitions = new Map<string, Fields>();
  const queue = [...roots];
  const seen = new Set(queue);
  const reach = (model: string): void => {
    if (!seen.has(model)) queue.push(model);
    seen.add(model);
  };
  for (let model = queue.shift(); model !== undefined; model = queue.shift()) {
    const module = (await import(join(models, `${model}.js`))) as Record<string, { attributeTypeMap: Attribute[] }>;
    const declaration = readFileSync(join(models, `${model}.d.ts`), "utf8");
    const fields: Fields = {};
    for (const attribute of module[model]?.attributeTypeMap ?? []) {
      const name = attribute.baseName;
      const required = declaration.includes(`\n    '${name.replace(/^\$|^_/, "$&")}': `);
      fields[name] = typeText(attribute, reach) + (required ? "!" : "");
    }
    definitions.set(plainName(model), fields);
  }
  return new Map([...definitions].sort(([a], [b]) => (a < b ? -1 : 1)));
}

const scalarTypes: Record<string, string> = {
  string: "string",
  byte: "string",
  Quantity: "string",
  Time: "string",
  MicroTime: "string",
  boolean: "boolean",
  double: "number",
  int32: "number",
  int64: "number",
  IntOrString: "number | string",
  any: "unknown",
};

function typeScript(text: string): string {
  if (text.startsWith("[]")) return `readonly ${wrap(typeScript(text.slice(2)))}[]`;
  if (text.startsWith("map[string]")) return `{ readonly [key: string]: ${typeScript(text.slice(11))} }`;
  return scalarTypes[text] ?? text;
}
const wrap = (type: string): string => (/[ |]/.test(type) ? `(${type})` : type);

function interfaces(definitions: Map<string, Fields>): string {
  const parts: string[] = [];
  for (const [name, fields] of definitions) {
    parts.push(`export interface ${name} {`);
    for (const [field, text] of Object.entries(fields)) {
      const required = text.endsWith("!");
      const type = typeScript(required ? text.slice(0, -1) : text);
      parts.push(`  readonly ${/^\w+$/.test(field) ? field : JSON.stringify(field)}${required ? "" : "?"}: ${type};`);
    }
    parts.push("}", "");
  }
  return parts.join("\n");
}

function table(definitions: Map<string, Fields>): string {
  const rows = [...definitions].map(
    ([name, fields]) =>
      `  ${name}: {\n${Object.entries(fields)
        .map(
          ([field, text]) =>
            `    ${/^[A-Za-z_]\w*$/.test(field) ? field : JSON.stringify(field)}: ${JSON.stringify(text)},\n`,
        )
        .join("")}  },\n`,
  );
  return `export const definitions: { readonly [definition: string]: { readonly [field: string]: string } } = {\n${rows.join("")}};\n`;
}

const header = `// Generated by scripts/generate-definitions.ts from the model metadata of @kubernetes/client-node. Do not edit.\n`;
const definitions = await collect();
for (const [folder, text] of [
  [
    "types",
    `${header}// Every field of every kind that the API serves, and of what they hold.\n\n${interfaces(definitions)}`,
  ],
  [
    "schema",
    `${header}// Field types in Go-like text: \`[]Container\`, \`map[string]Quantity\`, \`int32\`; \`!\` marks a required field.\n\n${table(definitions)}`,
  ],
] as const) {
  mkdirSync(join(out, folder, "generated"), { recursive: true });
  writeFileSync(join(out, folder, "generated", "definitions.ts"), text);
}
console.log(`${definitions.size} definitions`);
