// Writes docs/reference/limits.md from the packages' limits.ts: `npm run generate:limits`. Names, values and comments are those of
// the code; a test compares. Values come from the modules themselves, comments from their text.
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const root = join(import.meta.dirname, "..");
export const pagePath: string = join(root, "docs/reference/limits.md");

/** What the page's headings call each file. */
const headings: Readonly<Record<string, string>> = {
  "packages/service/src/limits.ts": "Services and their clients",
  "packages/zmtp/src/limits.ts": "ZeroMQ sockets",
  "packages/cli/src/limits.ts": "The command line",
  "packages/cluster/src/daemon/limits.ts": "The daemon",
  "packages/cluster/src/api/limits.ts": "The API server",
  "packages/cluster/src/store/limits.ts": "The store",
  "packages/cluster/src/scheduler/limits.ts": "The scheduler",
  "packages/cluster/src/controllers/limits.ts": "The control loops",
  "packages/cluster/src/agent/limits.ts": "The node agent",
  "packages/cluster/src/network/limits.ts": "The network",
  "packages/kube/src/limits.ts": "Objects",
  "packages/kube/src/client/limits.ts": "The client of the Kubernetes API",
  "packages/kube/src/controller/limits.ts": "The control-loop kit",
};

/** The whole page. */
export async function limitsPage(): Promise<string> {
  const found = globSync("packages/*/src/**/limits.ts", { cwd: root });
  const unknown = found.filter((path) => headings[path] === undefined);
  if (unknown.length > 0) throw new Error(`give ${unknown.join(", ")} a heading in scripts/limits-page.ts`);
  const sections = await Promise.all(Object.entries(headings).map(([path, heading]) => section(path, heading)));
  return `# Limits

Everything has a limit, with a name and its unit at the name's end. This page is generated from the code by
\`npm run generate:limits\`. What can be changed is an option of the same name, or is said so.

${sections.join("\n")}`;
}

async function section(path: string, heading: string): Promise<string> {
  const file = join(root, path);
  const comments = commentsOf(readFileSync(file, "utf8"));
  const exported = (await import(pathToFileURL(file).href)) as Readonly<Record<string, unknown>>;
  const values = new Map<string, number>();
  for (const [name, value] of Object.entries(exported)) {
    if (typeof value === "number") values.set(name, value);
    else if (typeof value === "object" && value !== null)
      for (const [key, limit] of Object.entries(value as Readonly<Record<string, unknown>>))
        if (typeof limit === "number") values.set(key, limit);
  }
  // The order of the code; a module lists its exports by name.
  const order = [...comments.keys()];
  const rows = [...values].sort(([a], [b]) => order.indexOf(a) - order.indexOf(b));
  const lines = rows.map(([name, value]) => `| \`${name}\` | ${shown(value)} | ${comments.get(name) ?? ""} |`);
  return `## ${heading}\n\n\`${path}\`\n\n| limit | value | |\n|---|---|---|\n${lines.join("\n")}\n`;
}

/** Thousands apart, as in the code. */
function shown(value: number): string {
  return Number.isInteger(value) && value >= 10_000 ? String(value).replace(/\B(?=(\d{3})+$)/g, "_") : String(value);
}

/** What is said before each name, or behind it; the names under one comment, without a blank line between, share it. */
export function commentsOf(source: string): Map<string, string> {
  const comments = new Map<string, string>();
  let comment = "";
  let open = false;
  for (const line of source.split("\n").map((text) => text.trim())) {
    const begins = line.startsWith("/**");
    if (begins || open) {
      const text = line.replace(/^\/?\*+\/?/, "").replace(/\*\/$/, "");
      comment = begins ? text.trim() : `${comment} ${text.trim()}`.trim();
      open = !line.endsWith("*/");
      continue;
    }
    if (line === "") comment = "";
    const name = /^(?:export const |readonly )?([a-z][A-Za-z0-9]*)(?::|\s*=)/.exec(line)?.[1];
    if (name === undefined || line.startsWith("import")) continue;
    const behind = /\/\/\s*(.*)$/.exec(line)?.[1];
    const said = [comment, behind].filter((text) => text !== undefined && text !== "").join(" ");
    // A type's comment stands before its value's line.
    if ((comments.get(name) ?? "") === "") comments.set(name, said.replaceAll("|", "\\|"));
  }
  return comments;
}

if (process.argv[1] === import.meta.filename) writeFileSync(pagePath, await limitsPage());
