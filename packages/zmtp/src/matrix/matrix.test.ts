// The interoperability matrix: every pair of socket types, either end connecting, ours with ours and with libzmq's both ways round, by zeromq.js
// and by pyzmq, over tcp and ipc, with every mechanism. `scripts/zmtp-interoperability.ts` writes docs/reference/zmtp-interoperability.md from it.
import "../leftovers.suite.ts";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  caseName,
  combinations,
  type MechanismName,
  mechanisms,
  pairs,
  renderPage,
  serveZap,
  type SocketName,
  transports,
  type Trial,
  trialName,
  trials,
  type Whose,
} from "./cases.suite.ts";
import { type End, Native, Ours, Pyzmq } from "./ends.suite.ts";
import { exchangeOf, plans } from "./exchange.suite.ts";
import { findPython, Python } from "./python.suite.ts";

const directory = mkdtempSync(join(tmpdir(), "zmtp-"));
const open: End[] = [];
const command = findPython();
let python: Python | undefined;
let stopZap: (() => void) | undefined;
beforeAll(async () => {
  stopZap = await serveZap();
  if (command !== undefined) python = new Python(command);
});
afterEach(async () => {
  for (const end of open.splice(0)) await end.close();
});
afterAll(async () => {
  stopZap?.();
  await python?.end();
  rmSync(directory, { recursive: true });
});

let sockets = 0;
const endpoints = { tcp: () => "tcp://127.0.0.1:*", ipc: () => `ipc://${join(directory, `${++sockets}.sock`)}` };

function make(who: Whose, type: SocketName, mechanism: MechanismName, side: "server" | "client", id: string): End {
  const options = mechanisms[mechanism][side][who];
  const named = type === "ROUTER" ? { ...options, [who === "pyzmq" ? "identity" : "routingId"]: id } : options;
  const end = newEnd(who, type, named);
  open.push(end);
  return end;
}

function newEnd(who: Whose, type: SocketName, options: object): End {
  if (who === "ours") return new Ours(type, options);
  if (who === "zeromq.js") return new Native(type, options);
  if (python === undefined) throw new Error("there is no Python");
  return new Pyzmq(python, type, options);
}

const page = new Map<string, boolean>();

for (const mechanism of Object.keys(mechanisms) as MechanismName[])
  describe(mechanism, () => {
    for (const whose of combinations) {
      const [whoFirst, whoSecond] = whose;
      const test = it.skipIf(command === undefined && (whoFirst === "pyzmq" || whoSecond === "pyzmq"));
      for (const transport of transports)
        for (const pair of pairs)
          for (const connecting of ["first", "second"] as const) {
            const name = caseName(mechanism, transport, pair, whose, connecting);
            page.set(name, true);
            test(name, async () => {
              const one = make(whoFirst, pair[0], mechanism, connecting === "first" ? "client" : "server", "first");
              const two = make(whoSecond, pair[1], mechanism, connecting === "first" ? "server" : "client", "second");
              if (pair[1].endsWith("SUB")) await two.subscribe("");
              const [binder, connector] = connecting === "first" ? [two, one] : [one, two];
              await connector.connect(await binder.bind(endpoints[transport]()));
              await exchangeOf(pair)(one, two);
            });
          }
      for (const trial of Object.keys(trials) as Trial[]) {
        const name = trialName(mechanism, trial, whose);
        page.set(name, true);
        test(name, async () => {
          const plan = plans[trial];
          await plan.run({
            first: () => make(whoFirst, plan.types[0], mechanism, "client", "first"),
            second: () => make(whoSecond, plan.types[1], mechanism, "server", "second"),
          });
        });
      }
    }
  });

it("the page in the docs is that of a run without failure", () => {
  const file = new URL("../../../../docs/reference/zmtp-interoperability.md", import.meta.url);
  expect(readFileSync(file, "utf8"), "write it: npm run interoperability -w packages/zmtp").toBe(renderPage(page));
});
