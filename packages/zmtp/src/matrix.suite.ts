// The cases of the interoperability matrix, their names, and the page that shows how they went. `matrix.test.ts` runs them,
// `scripts/zmtp-interoperability.ts` writes the page from such a run. A mechanism that is added here is tested with every pair.
import "./leftovers.suite.ts";
import * as zmq from "zeromq";
import { allowUsers, plainClient, plainServer, type SocketOptions, z85Decode } from "./index.ts";
import { allowKeys, curveClient, curveKeyPair, curveServer } from "./mechanism/curve.ts";

export const pairs = [
  ["REQ", "REP"],
  ["REQ", "ROUTER"],
  ["DEALER", "REP"],
  ["DEALER", "ROUTER"],
  ["DEALER", "DEALER"],
  ["ROUTER", "ROUTER"],
  ["PUB", "SUB"],
  ["PUB", "XSUB"],
  ["XPUB", "SUB"],
  ["XPUB", "XSUB"],
  ["PUSH", "PULL"],
  ["PAIR", "PAIR"],
] as const;
export type SocketName = (typeof pairs)[number][number];

export const transports = ["tcp", "ipc"] as const;

/** Whose the first and the second socket of a pair are. */
export const combinations = [
  ["ours", "ours"],
  ["ours", "libzmq"],
  ["libzmq", "ours"],
] as const;

export interface Security {
  readonly ours: { readonly server: SocketOptions; readonly client: SocketOptions };
  readonly libzmq: { readonly server: object; readonly client: object };
}

const keys = { server: curveKeyPair(), client: curveKeyPair() };
const password = "a password";

/** The socket that binds is the server. */
export const mechanisms: Readonly<Record<"NULL" | "PLAIN" | "CURVE", Security>> = {
  NULL: { ours: { server: {}, client: {} }, libzmq: { server: {}, client: {} } },
  PLAIN: {
    ours: {
      server: { security: plainServer({ authenticate: allowUsers({ admin: password }) }) },
      client: { security: plainClient({ username: "admin", password }) },
    },
    libzmq: { server: { plainServer: true }, client: { plainUsername: "admin", plainPassword: password } },
  },
  CURVE: {
    ours: {
      server: { security: curveServer({ ...keys.server, authenticate: allowKeys([keys.client.publicKey]) }) },
      client: { security: curveClient({ serverKey: keys.server.publicKey, ...keys.client }) },
    },
    libzmq: {
      server: { curveServer: true, curvePublicKey: keys.server.publicKey, curveSecretKey: keys.server.secretKey },
      client: {
        curveServerKey: keys.server.publicKey,
        curvePublicKey: keys.client.publicKey,
        curveSecretKey: keys.client.secretKey,
      },
    },
  },
};

/** Admits the matrix's own clients to libzmq's servers of this process (RFC 27). @returns ends it. */
export async function serveZap(): Promise<() => void> {
  const zap = new zmq.Reply({ linger: 0 });
  await zap.bind("inproc://zeromq.zap.01");
  const serve = async (): Promise<void> => {
    for await (const [version = "", id = "", , , , mechanism = "", first, second] of zap) {
      const known =
        String(mechanism) === "CURVE"
          ? first?.equals(z85Decode(keys.client.publicKey)) === true
          : String(first) === "admin" && String(second) === password;
      await zap.send([version, id, known ? "200" : "400", known ? "OK" : "no", "", ""]);
    }
  };
  serve().catch(() => undefined);
  return () => zap.close();
}

/** The name of a case, by which the page finds how it went. */
export function caseName(
  mechanism: string,
  transport: string,
  pair: readonly [string, string],
  whose: readonly [string, string],
  connecting: "first" | "second",
): string {
  const ends = pair.map((type, index) => `${whose[index]} ${type}`);
  return `${mechanism} over ${transport}: ${ends[0]} and ${ends[1]}, the ${connecting} connects`;
}

/** @param passed by name, of every case. */
export function renderPage(passed: ReadonlyMap<string, boolean>): string {
  const lines = [
    "# Which sockets talk to which",
    "",
    "Written by `npm run interoperability -w packages/zmtp` from a run of",
    "`packages/zmtp/src/matrix.test.ts`, which fails when this page says something else.",
    `libzmq is version ${zmq.version}, through zeromq.js. In each cell both ends have connected to the other, over`,
    "each transport named, and exchanged frames of 0 bytes, of 1 byte, with one-byte and with eight-byte",
    "lengths, and messages of several frames. With PLAIN and CURVE the end that binds is the server, and",
    "admits only the client that it knows. What did not work would be named in its cell.",
  ];
  for (const mechanism of Object.keys(mechanisms)) {
    lines.push(
      "",
      `## ${mechanism}`,
      "",
      "| first – second | ours – ours | ours – libzmq | libzmq – ours |",
      "|---|---|---|---|",
    );
    for (const pair of pairs) {
      const cells = combinations.map((whose) => cell(passed, mechanism, pair, whose));
      lines.push(`| ${pair[0]} – ${pair[1]} | ${cells.join(" | ")} |`);
    }
  }
  return `${lines.join("\n")}\n`;
}

function cell(
  passed: ReadonlyMap<string, boolean>,
  mechanism: string,
  pair: readonly [string, string],
  whose: readonly [string, string],
): string {
  const parts = transports.map((transport) => {
    const names = (["first", "second"] as const).map((end) => caseName(mechanism, transport, pair, whose, end));
    return names.every((name) => passed.get(name) === true) ? transport : `**${transport} fails**`;
  });
  return parts.join(", ");
}
