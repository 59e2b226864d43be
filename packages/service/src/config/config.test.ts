// A service's own settings: where values come from, what a mistake says, and that no secret is shown.
import { nearest } from "@wherry/core";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, afterEach, describe, expect, expectTypeOf, test } from "vitest";
import { parseConfig } from "../process/config.ts";
import { startChild, stopChildren } from "../testing/child.ts";
import { configure, override } from "./configure.ts";
import { flagOf, variableOf } from "./names.ts";
import type { Settings } from "./types.ts";

const folder = mkdtempSync(join(tmpdir(), "wherry-config-"));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(stopChildren);

function fileOf(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

const shop = {
  stock: { type: "integer", default: 2, min: 0, max: 100, help: "items at the start" },
  share: { type: "number", default: 0.5 },
  currency: { type: "string", default: "EUR", choices: ["EUR", "USD"] },
  apiKey: { type: "string", secret: true, optional: true },
  tags: { type: "list" },
  dryRun: { type: "boolean" },
} as const satisfies Settings;

describe("a service's own settings", () => {
  test("have types that follow from what was declared", () => {
    const settings = configure(shop, {});
    expectTypeOf(settings.stock).toEqualTypeOf<number>();
    expectTypeOf(settings.currency).toEqualTypeOf<"EUR" | "USD">();
    expectTypeOf(settings.apiKey).toEqualTypeOf<string | undefined>();
    expectTypeOf(settings.tags).toEqualTypeOf<readonly string[]>();
    expect({ ...settings }).toEqual({ stock: 2, share: 0.5, currency: "EUR", tags: [], dryRun: false });
  });

  test("come from flags, then the environment, then the file, then the default", () => {
    const file = fileOf(
      "shop.json",
      '{ "stock": 3, "share": 0.25, "currency": "usd", "tags": ["a"], "logLevel": "warn" }',
    );
    const env = { CONFIG_FILE: file, STOCK: "4", SHARE: "0.75" };
    const settings = configure(shop, { argv: ["--stock", "5", "--dry-run", "--tags", "x", "--tags=y,z"], env });
    expect({ ...settings }).toEqual({ stock: 5, share: 0.75, currency: "USD", tags: ["x", "y", "z"], dryRun: true });
    expect(parseConfig("shop", [], env, shop)).toMatchObject({ config: { logLevel: "warn" } });
  });

  test("are read from YAML, too", () => {
    const file = fileOf("shop.yaml", "# the shop's\nstock: 7\ntags:\n  - a\n  - b\ndryRun: true\n");
    const settings = configure(shop, { argv: ["--config", file] });
    expect([settings.stock, settings.tags, settings.dryRun]).toEqual([7, ["a", "b"], true]);
  });

  test("are overridden by a test, which takes it back", () => {
    const settings = configure(shop, {});
    const restore = override(settings, { stock: 0 });
    expect(settings.stock).toBe(0);
    restore();
    expect(settings.stock).toBe(2);
    expect(() => override(settings, { stok: 1 } as never)).toThrow(/no setting stok; did you mean stock\?/);
  });

  test.each([
    [{ Stock: { type: "integer" } }, /setting Stock: expected a name in camelCase/],
    [{ port: { type: "integer" } }, /setting port: is one of the framework's own/],
    [{ stock: { type: "integer", default: -1, min: 0 } }, /default: expected a whole number of at least 0, got -1/],
    [{ apiKey: { type: "string", secret: true, default: "x" } }, /a secret has no default/],
  ])("a wrong declaration is refused at once: %j", (settings, message) => {
    expect(() => configure(settings as unknown as Settings, {})).toThrow(
      expect.objectContaining({ code: "SERVICE_DEFINITION_INVALID", message: expect.stringMatching(message) }),
    );
  });
});

describe("a mistake is one line that says what to do", () => {
  test.each([
    [["--stock", "-1"], {}, '--stock: expected a whole number from 0 to 100, got "-1"'],
    [["--stock"], {}, "--stock: expected a value after it; see --help"],
    [["--stok", "1"], {}, "--stok: unknown flag; did you mean --stock?"],
    [[], { STOCK: "many" }, 'STOCK: expected a whole number from 0 to 100, got "many"'],
    [["--currency=GBP"], {}, '--currency: expected one of EUR, USD, got "GBP"'],
    [["--dry-run=perhaps"], {}, '--dry-run: expected true or false, got "perhaps"'],
    [["--api-key", "x"], {}, "--api-key: is secret, and a command line is not; give it in API_KEY or API_KEY_FILE"],
    [[], { API_KEY: "x", API_KEY_FILE: "/y" }, "API_KEY: given, and API_KEY_FILE too; unset one"],
    [[], { API_KEY_FILE: "/no/such" }, /^API_KEY_FILE: \/no\/such can't be read: ENOENT/],
    [["--config", "/no/such"], {}, /^--config: \/no\/such can't be read: ENOENT/],
    [["--config", folder], {}, /^--config: .* can't be read: it is not a file/],
    [["--log-to", "syslog"], {}, /^--log-to: expected stdout, fluent:.*, got \["syslog"\]$/],
  ])("%j %j", (argv, env, line) => {
    let message = "";
    try {
      parseConfig("shop", argv, env, shop);
    } catch (error) {
      expect(error).toMatchObject({ code: "SERVICE_CONFIG_INVALID" });
      message = (error as Error).message;
    }
    expect(message.split("\n")).toEqual([typeof line === "string" ? line : expect.stringMatching(line)]);
  });

  test.each([
    [
      "unknown.yaml",
      "stok: 3\nloglevel: info\n",
      ["unknown setting stok; did you mean stock?", "unknown setting loglevel; did you mean logLevel?"],
    ],
    ["type.json", '{ "stock": "three" }', [': stock: expected a whole number from 0 to 100, got "three"']],
    ["list.yaml", "- 1\n", ["expected settings by name, got a list"]],
    ["broken.json", '{ "stock": ', ["is neither JSON nor YAML: "]],
    ["broken.yaml", "a: [\n", ["is neither JSON nor YAML: "]],
    ["large.yaml", `# ${"x".repeat(2 ** 20)}`, ["expected at most 1048576 bytes"]],
  ])("in the file %s", (name, text, expected) => {
    const parse = (): unknown => parseConfig("shop", ["--config", fileOf(name, text)], {}, shop);
    expect(parse).toThrow(expect.objectContaining({ code: "SERVICE_CONFIG_INVALID" }));
    let lines: string[] = [];
    try {
      parse();
    } catch (error) {
      lines = (error as Error).message.split("\n");
    }
    expect(lines).toEqual(expected.map((part) => expect.stringContaining(part)));
  });

  test("but for what Kubernetes tells of a Service that is called as a port's variable", () => {
    const parsed = parseConfig("shop", [], { ADMIN_PORT: "tcp://10.0.0.7:80", PORT: "7000" }, shop);
    expect(parsed).toMatchObject({ config: { adminPort: 9000, port: 7000 } });
  });

  test("and all of them are told at once", () => {
    const parse = (): unknown =>
      parseConfig("shop", ["--stock", "x", "--port", "99999", "extra"], { SHARE: "y" }, shop);
    expect(parse).toThrow(/^extra: unexpected argument; see --help\n--stock: .*\n?/m);
    expect(parse).toThrow(/SHARE: [^]*--port: /);
  });

  test("any command line gives settings or lines, never anything else", () => {
    const words = fc.oneof(
      fc.string(),
      fc.constantFrom("--stock", "--no-dry-run", "--", "--stock=1", "-h", "--config", "=", "--tags"),
    );
    fc.assert(
      fc.property(fc.array(words, { maxLength: 6 }), (argv) => {
        try {
          expect(parseConfig("shop", argv, {}, shop)).toBeTypeOf("object");
        } catch (error) {
          expect(error).toMatchObject({ code: "SERVICE_CONFIG_INVALID" });
        }
      }),
    );
  });
});

test.each([
  ["inf.yaml", "stock: .inf", "expected a whole number from 0 to 100, got Infinity"],
  ["self.yaml", "stock: &a [*a]", "expected a whole number from 0 to 100, got a list"],
  [
    "deep.json",
    `{"stock":${"[".repeat(100_000)}${"]".repeat(100_000)}}`,
    "expected a whole number from 0 to 100, got a list",
  ],
])("what JSON cannot show is still one line that names its setting: %s", (name, text, line) => {
  const file = fileOf(name, text);
  expect(() => parseConfig("shop", ["--config", file], { API_KEY: "k" }, shop)).toThrow(
    expect.objectContaining({ code: "SERVICE_CONFIG_INVALID", message: `${file}: stock: ${line}` }),
  );
});

describe("secrets", () => {
  test("come from the file that the variable names, without the newline at its end", () => {
    const file = fileOf("key", "s3cret\n");
    const settings = configure(shop, { env: { API_KEY_FILE: file } });
    expect(settings.apiKey).toBe("s3cret");
    expect(JSON.stringify(settings)).not.toContain("s3cret");
  });

  test("are masked by --print-config, as are passwords in URLs; what it prints is a configuration file", () => {
    const env = { API_KEY: "s3cret", LOG_TO: "elasticsearch+https://user:hidden@logs.example/shop", STOCK: "5" };
    const printed = parseConfig("shop", ["--print-config"], env, shop);
    const text = "text" in printed ? printed.text : "";
    expect(text).toContain("stock: 5 # STOCK\n");
    expect(text).toContain('apiKey: "***" # API_KEY\n');
    expect(text).toContain('logTo: ["elasticsearch+https://user:***@logs.example/shop"] # LOG_TO\n');
    expect(text).not.toMatch(/s3cret|hidden/);
    const again = parseConfig("shop", ["--config", fileOf("again.yaml", text), "--print-config"], {}, shop);
    expect("text" in again ? again.text.replace(/ #.*/g, "") : "").toBe(text.replace(/ #.*/g, ""));
  });

  test("that are wrong are not shown", () => {
    const settings = { pin: { type: "string", secret: true, pattern: /^\d{4}$/, expected: "4 digits" } } as const;
    expect(() => configure(settings, { env: { PIN: "hunter2" } }).pin).toThrow(
      "PIN: expected 4 digits, got something else",
    );
  });
});

describe("names", () => {
  test("a setting's flag and variable", () => {
    expect([flagOf("apiKey"), variableOf("apiKey")]).toEqual(["--api-key", "API_KEY"]);
  });

  test("with one letter wrong are recognized", () => {
    const name = fc.stringMatching(/^[a-z]{4,12}$/);
    fc.assert(
      fc.property(name, fc.nat(), (word, at) => {
        const position = at % word.length;
        expect(nearest(word.slice(0, position) + word.slice(position + 1), [word])).toBe(`; did you mean ${word}?`);
      }),
    );
    expect(nearest("completely", ["different"])).toBe("");
  });
});

describe("in a process", () => {
  const program = (first: string): string => `
    import { configure, run, service } from "@wherry/service";
    const settings = configure({
      stock: { type: "integer", default: 2, min: 0, help: "items at the start" },
      apiKey: { type: "string", secret: true },
    });
    ${first}
    await run(service("shop", { methods: { stock: () => settings.stock } }));`;

  test("--help prints the service's settings and the framework's", async () => {
    const child = startChild({ program: program(""), args: ["--help"] });
    expect(await child.exit).toEqual({ code: 0, signal: null });
    const help = child.other.join("\n");
    expect(help).toMatch(/--stock NUMBER +items at the start \(STOCK; default 2; a whole number of at least 0\)/);
    expect(help).toMatch(/API_KEY +.*API_KEY_FILE; secret; required/);
    expect(help).toMatch(/--log-level VALUE/);
    expect(help).toMatch(/--help +this text\n/);
    expect(help).not.toMatch(/\(\)|default ;/);
  });

  test.each(["", "console.log(settings.apiKey);"])(
    "a missing one is one line and code 2, whoever needs it first: %s",
    async (first) => {
      const child = startChild({ program: program(first), args: [] });
      expect(await child.exit).toEqual({ code: 2, signal: null });
      expect(child.stderr()).toMatch(
        /^\S+: apiKey: expected a value, got none; give it in API_KEY or API_KEY_FILE,.*\n$/,
      );
    },
  );

  test("a pipe in place of a file is refused: opening one once waited for ever, deaf to SIGTERM", async () => {
    const pipe = join(folder, "pipe");
    execFileSync("mkfifo", [pipe]);
    const child = startChild({ program: program(""), args: ["--config", pipe], env: { API_KEY_FILE: pipe } });
    expect(await child.exit).toEqual({ code: 2, signal: null });
    expect(child.stderr()).toContain(`--config: ${pipe} can't be read: it is not a file`);
    expect(child.stderr()).toContain(`API_KEY_FILE: ${pipe} can't be read: it is not a file`);
  });

  test("is read before `run` and by its handlers", async () => {
    const child = startChild({
      program: program("console.log(settings.stock);"),
      args: ["--stock", "9", "--port", "0", "--admin-port", "0"],
      env: { API_KEY: "k" },
    });
    await child.listening;
    expect(child.other).toEqual(["9"]);
  });
});
