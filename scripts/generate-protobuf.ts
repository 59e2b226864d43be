// Generates packages/cluster/src/api/protobuf/generated/fields.ts: the protobuf field numbers of the kinds that the API
// serves. They are read from the type information of the kubectl program that the tests use (Go keeps struct tags such as
// `protobuf:"bytes,1,opt,name=metadata"` in the binary), so they are those of exactly that release, and hold facts only.
//
//   node scripts/generate-protobuf.ts             writes the file
//   node scripts/generate-protobuf.ts --out FILE  writes FILE instead
//
// Never run at install or start-up: the output is committed, and a test compares it with this program's. Reads Linux/amd64 binaries of Go 1.20 or later.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { definitions } from "../packages/kube/src/schema/generated/definitions.ts";
import { kubectlPath } from "./kubectl.mjs";

interface GoField {
  readonly name: string;
  readonly tag: string;
  readonly pointer: boolean;
  /** Of the field's type, behind a pointer: `k8s.io/api/core/v1.ProbeHandler`; empty for what is no struct. */
  readonly struct: string;
}

interface Section {
  readonly name: string;
  readonly address: number;
  readonly offset: number;
  readonly size: number;
}

// reflect.Kind (Go: internal/abi/type.go)
const kindArray = 17;
const kindMap = 21;
const kindPointer = 22;
const kindSlice = 23;
const kindStruct = 25;
const hasUncommon = 1;
const hasExtraStar = 2;

class GoProgram {
  readonly structs = new Map<string, readonly GoField[]>();
  readonly #bytes: Buffer;
  readonly #sections: readonly Section[];
  readonly #rodata: Section;
  readonly #seen = new Set<number>();

  constructor(path: string) {
    this.#bytes = readFileSync(path);
    this.#sections = this.#readSections();
    this.#rodata = this.#section(".rodata");
    const links = this.#section(".typelink");
    for (let at = 0; at < links.size; at += 4)
      this.#walk(this.#rodata.address + this.#bytes.readInt32LE(links.offset + at));
  }

  #readSections(): Section[] {
    const bytes = this.#bytes;
    const table = Number(bytes.readBigUInt64LE(0x28));
    const size = bytes.readUInt16LE(0x3a);
    const raw = Array.from({ length: bytes.readUInt16LE(0x3c) }, (_, index) => {
      const at = table + index * size;
      return {
        nameAt: bytes.readUInt32LE(at),
        address: this.#pointer(at + 16),
        offset: this.#pointer(at + 24),
        size: this.#pointer(at + 32),
      };
    });
    const names = raw[bytes.readUInt16LE(0x3e)]?.offset ?? 0;
    return raw.map(({ nameAt, ...section }) => ({
      ...section,
      name: bytes.toString("latin1", names + nameAt, bytes.indexOf(0, names + nameAt)),
    }));
  }

  #section(name: string): Section {
    const section = this.#sections.find((one) => one.name === name);
    if (section === undefined) throw new Error(`the program has no section ${name}: is it a Go program for Linux?`);
    return section;
  }

  #pointer(offset: number): number {
    return Number(this.#bytes.readBigUInt64LE(offset));
  }

  /** Undefined for an address that is not in the file. */
  #offsetOf(address: number): number | undefined {
    const holds = ({ address: start, size, name }: Section): boolean =>
      start > 0 && address >= start && address < start + size && !name.endsWith("bss");
    const section = this.#sections.find(holds);
    return section === undefined ? undefined : address - section.address + section.offset;
  }

  #varint(offset: number): [value: number, next: number] {
    let value = 0;
    for (let shift = 0, at = offset; ; shift += 7) {
      const byte = this.#bytes[at++] ?? 0;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return [value, at];
    }
  }

  #name(offset: number): { readonly name: string; readonly tag: string } {
    const [length, start] = this.#varint(offset + 1);
    const name = this.#bytes.toString("utf8", start, start + length);
    if (((this.#bytes[offset] ?? 0) & 2) === 0) return { name, tag: "" };
    const [tagLength, tagStart] = this.#varint(start + length);
    return { name, tag: this.#bytes.toString("utf8", tagStart, tagStart + tagLength) };
  }

  #kind(offset: number): number {
    return (this.#bytes[offset + 23] ?? 0) & 31;
  }

  /** `k8s.io/api/core/v1.Pod`, or empty for a type without a package. */
  #structName(offset: number): string {
    const flags = this.#bytes[offset + 20] ?? 0;
    if ((flags & hasUncommon) === 0) return "";
    const packageAt = this.#bytes.readInt32LE(offset + 80);
    const { name } = this.#name(this.#rodata.offset + this.#bytes.readInt32LE(offset + 40));
    const plain = (flags & hasExtraStar) === 0 ? name : name.slice(1);
    return `${this.#name(this.#rodata.offset + packageAt).name}.${plain.slice(plain.lastIndexOf(".") + 1)}`;
  }

  #walk(first: number): void {
    const waiting = [first];
    for (let address = waiting.pop(); address !== undefined; address = waiting.pop()) {
      const offset = this.#offsetOf(address);
      if (this.#seen.has(address) || offset === undefined) continue;
      this.#seen.add(address);
      const kind = this.#kind(offset);
      if (kind === kindPointer || kind === kindSlice || kind === kindArray) waiting.push(this.#pointer(offset + 48));
      else if (kind === kindMap) waiting.push(this.#pointer(offset + 48), this.#pointer(offset + 56));
      else if (kind === kindStruct) waiting.push(...this.#struct(offset));
    }
  }

  /** Notes a struct down; returns the types of its fields. */
  #struct(offset: number): number[] {
    const fieldsAt = this.#offsetOf(this.#pointer(offset + 56)) ?? 0;
    const types: number[] = [];
    const fields: GoField[] = [];
    for (let index = 0; index < this.#pointer(offset + 64); index++) {
      const at = fieldsAt + index * 24;
      const type = this.#pointer(at + 8);
      types.push(type);
      fields.push({ ...this.#name(this.#offsetOf(this.#pointer(at)) ?? 0), ...this.#fieldType(type) });
    }
    const name = this.#structName(offset);
    if (name !== "") this.structs.set(name, fields);
    return types;
  }

  #fieldType(address: number): Pick<GoField, "pointer" | "struct"> {
    let offset = this.#offsetOf(address) ?? 0;
    const pointer = this.#kind(offset) === kindPointer;
    if (pointer) offset = this.#offsetOf(this.#pointer(offset + 48)) ?? 0;
    return { pointer, struct: this.#kind(offset) === kindStruct ? this.#structName(offset) : "" };
  }
}

/** Where the definitions of packages/kube come from, in order of preference. */
const packages = ["core", "apps", "discovery", "policy", "authentication", "autoscaling"].map(
  (group) => `k8s.io/api/${group}/v1`,
);
packages.splice(1, 0, "k8s.io/apimachinery/pkg/apis/meta/v1");

/** Definitions whose name is not the Go struct's, because two groups have one of that name. */
const renamed: Readonly<Record<string, string>> = {
  AuthenticationTokenRequest: "k8s.io/api/authentication/v1.TokenRequest",
  DiscoveryEndpointPort: "k8s.io/api/discovery/v1.EndpointPort",
};

const program = new GoProgram(kubectlPath());

function structOf(definition: string): string | undefined {
  const named = renamed[definition] ?? renamed[`Discovery${definition}`];
  if (renamed[definition] !== undefined) return named;
  const plain = definition.replace(/^(?:Discovery|Core)/, "");
  return [definition, plain]
    .flatMap((name) => packages.map((group) => `${group}.${name}`))
    .find((name) => program.structs.has(name));
}

const short = (struct: string): string => struct.slice(struct.lastIndexOf(".") + 1);

/** `1:metadata 2:replicas? 3:+ProbeHandler`: `?` may be absent (a pointer), `+` lies in a message of its own. */
function tableOf(struct: string, inlined: Map<string, string>): string {
  const entries: string[] = [];
  for (const { tag, pointer, struct: inner } of program.structs.get(struct) ?? []) {
    const number = /protobuf:"[a-z0-9]+,(\d+),/.exec(tag)?.[1];
    const json = /json:"([^",]*)(,[^"]*)?"/.exec(tag);
    if (number === undefined) continue;
    if (json?.[1] === "" || json === null) {
      inlined.set(short(inner), inner);
      entries.push(`${number}:+${short(inner)}`);
    } else entries.push(`${number}:${json[1]}${pointer ? "?" : ""}`);
  }
  return entries.join(" ");
}

const tables = new Map<string, string>();
const missing: string[] = [];
const inlined = new Map<string, string>();
for (const definition of Object.keys(definitions)) {
  const struct = structOf(definition);
  if (struct === undefined) missing.push(definition);
  else tables.set(definition, tableOf(struct, inlined));
}
// Inlined structs may inline others: a map may grow while it is walked.
for (const [name, struct] of inlined) tables.set(name, tables.get(name) ?? tableOf(struct, inlined));

const lines = [...tables]
  .filter(([, table]) => table !== "")
  .sort(([a], [b]) => (a < b ? -1 : 1))
  .map(([name, table]) => `  ${name}: ${JSON.stringify(table)},\n`);
const committed = join(
  dirname(fileURLToPath(import.meta.url)),
  "../packages/cluster/src/api/protobuf/generated/fields.ts",
);
const { values: options } = parseArgs({ options: { out: { type: "string" } } });
writeFileSync(
  options.out ?? committed,
  `// Generated by scripts/generate-protobuf.ts from the Go types in kubectl. Do not edit.
// Protobuf field numbers and JSON names by definition: \`1:metadata\`; \`?\` may be absent although it has a zero value,
// \`+\` is a message of its own whose fields JSON has in place.

export const protobufFields: { readonly [definition: string]: string } = {
${lines.join("")}};
`,
);
console.error(
  `${tables.size} tables, ${program.structs.size} structs in the program; not found: ${missing.join(", ") || "none"}`,
);
