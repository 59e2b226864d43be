// The cases of the interoperability matrix, their names, and the page that shows how they went. `matrix.test.ts` runs them,
// `scripts/zmtp-interoperability.ts` writes the page from such a run. A mechanism that is added here is tested with every pair.
import * as zmq from "zeromq";
import { allowUsers, plainClient, plainServer, type SocketOptions, z85Decode } from "../index.ts";
import { allowKeys, curveClient, curveKeyPair, curveServer } from "../mechanism/curve.ts";

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
  ["ours", "zeromq.js"],
  ["zeromq.js", "ours"],
  ["ours", "pyzmq"],
  ["pyzmq", "ours"],
] as const;
export type Whose = (typeof combinations)[number][number];

/** What is tried beyond an exchange of messages, each with every mechanism and combination. */
export const trials = {
  large: "DEALER – ROUTER: 100 MB in one frame, there and back",
  reconnects: "PUSH – PULL: sending goes on while the PULL end goes and comes back; in order, none twice",
  subscriptions: "SUB – PUB: subscribed before and after connecting, and taken back",
  xsubscriptions: "XSUB – XPUB: subscribed before and after connecting, and taken back",
} as const;
export type Trial = keyof typeof trials;

/** Both sides' options, in the words of whose library it is. */
export type Security = Readonly<Record<"server" | "client", Readonly<Record<Whose, object>> & { ours: SocketOptions }>>;

const keys = { server: curveKeyPair(), client: curveKeyPair() };
const password = "a password";

/** The socket that binds is the server. */
export const mechanisms: Readonly<Record<"NULL" | "PLAIN" | "CURVE", Security>> = {
  NULL: {
    server: { ours: {}, "zeromq.js": {}, pyzmq: {} },
    client: { ours: {}, "zeromq.js": {}, pyzmq: {} },
  },
  PLAIN: {
    server: {
      ours: { security: plainServer({ authenticate: allowUsers({ admin: password }) }) },
      "zeromq.js": { plainServer: true },
      pyzmq: { plain_server: true },
    },
    client: {
      ours: { security: plainClient({ username: "admin", password }) },
      "zeromq.js": { plainUsername: "admin", plainPassword: password },
      pyzmq: { plain_username: "admin", plain_password: password },
    },
  },
  CURVE: {
    server: {
      ours: { security: curveServer({ ...keys.server, authenticate: allowKeys([keys.client.publicKey]) }) },
      "zeromq.js": {
        curveServer: true,
        curvePublicKey: keys.server.publicKey,
        curveSecretKey: keys.server.secretKey,
      },
      pyzmq: {
        curve_server: true,
        curve_publickey: keys.server.publicKey,
        curve_secretkey: keys.server.secretKey,
      },
    },
    client: {
      ours: { security: curveClient({ serverKey: keys.server.publicKey, ...keys.client }) },
      "zeromq.js": {
        curveServerKey: keys.server.publicKey,
        curvePublicKey: keys.client.publicKey,
        curveSecretKey: keys.client.secretKey,
      },
      pyzmq: {
        curve_serverkey: keys.server.publicKey,
        curve_publickey: keys.client.publicKey,
        curve_secretkey: keys.client.secretKey,
      },
    },
  },
};
export type MechanismName = keyof typeof mechanisms;

/** Whom a ZAP handler (RFC 27) admits. */
export const admitted = { username: "admin", password, clientKey: z85Decode(keys.client.publicKey) };

/** Admits the matrix's own clients to zeromq.js's servers of this process (RFC 27). @returns ends it. */
export async function serveZap(): Promise<() => void> {
  const zap = new zmq.Reply({ linger: 0 });
  await zap.bind("inproc://zeromq.zap.01");
  const serve = async (): Promise<void> => {
    for await (const [version = "", id = "", , , , mechanism = "", first, second] of zap) {
      const known =
        String(mechanism) === "CURVE"
          ? first?.equals(admitted.clientKey) === true
          : String(first) === admitted.username && String(second) === password;
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

export function trialName(mechanism: string, trial: Trial, whose: readonly [string, string]): string {
  return `${mechanism}, ${whose[0]} and ${whose[1]}: ${trials[trial]}`;
}

/** @param passed by name, of every case. */
export function renderPage(passed: ReadonlyMap<string, boolean>): string {
  const head = combinations.map((whose) => whose.join(" – ")).join(" | ");
  const rule = `|---|${combinations.map(() => "---|").join("")}`;
  const lines = [
    "# Which sockets talk to which",
    "",
    "Written by `npm run interoperability -w packages/zmtp` from a run of",
    "`packages/zmtp/src/matrix/matrix.test.ts`, which fails when this page says something else.",
    `zeromq.js holds libzmq ${zmq.version}; pyzmq is Debian's python3-zmq. In each cell both ends have connected to the other,`,
    "over each transport named, and exchanged frames of 0 bytes, of 1 byte, with one-byte and with eight-byte",
    "lengths, and messages of several frames. With PLAIN and CURVE the end that binds is the server, and",
    "admits only the client that it knows. What did not work would be named in its cell.",
  ];
  for (const mechanism of Object.keys(mechanisms)) {
    lines.push("", `## ${mechanism}`, "", `| first – second | ${head} |`, rule);
    for (const pair of pairs) {
      const cells = combinations.map((whose) => cell(passed, mechanism, pair, whose));
      lines.push(`| ${pair[0]} – ${pair[1]} | ${cells.join(" | ")} |`);
    }
  }
  lines.push("", "## Beyond an exchange", "", `| over tcp; the first connects | ${head} |`, rule);
  for (const trial of Object.keys(trials) as Trial[]) {
    const cells = combinations.map((whose) =>
      Object.keys(mechanisms)
        .map((name) => (passed.get(trialName(name, trial, whose)) === true ? name : `**${name} fails**`))
        .join(", "),
    );
    lines.push(`| ${trials[trial]} | ${cells.join(" | ")} |`);
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
