// `--output json|yaml|name`: data on stdout, for programs.
import type { Terminal } from "./terminal.ts";

export type OutputFormat = "json" | "yaml" | "name";

export async function printData(
  data: unknown,
  names: readonly string[],
  format: OutputFormat,
  terminal: Terminal,
): Promise<void> {
  switch (format) {
    case "json":
      terminal.out(JSON.stringify(data, null, 2));
      break;
    case "yaml": {
      const { stringify } = await import("yaml");
      terminal.raw(stringify(data));
      break;
    }
    case "name":
      for (const name of names) terminal.out(name);
      break;
  }
}
