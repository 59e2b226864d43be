// PLAIN and CURVE against real libzmq, as server and as client, over tcp and ipc. libzmq's server asks a ZAP handler
// (RFC 27), which is a socket of its own; without one, CURVE admits every client that knows the server's key, and PLAIN nobody.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import * as zmq from "zeromq";
import { echo, text, until } from "../harness.suite.ts";
import {
  allowUsers,
  dealer,
  plainClient,
  plainServer,
  reply,
  request,
  router,
  type Security,
  type Socket,
  z85Decode,
} from "../index.ts";
import { allowKeys, curveClient, curveKeyPair, curveServer } from "./curve.ts";

const directory = mkdtempSync(join(tmpdir(), "zmtp-"));
const open: (() => unknown)[] = [];
const keep = <T extends { close: () => unknown }>(socket: T): T => {
  open.push(() => socket.close());
  return socket;
};
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});
afterAll(() => rmSync(directory, { recursive: true }));

const serverKeys = curveKeyPair();
const clientKeys = curveKeyPair();
const password = "s3cret words";

interface Side {
  readonly ours: () => Security;
  /** zeromq.js's options for the same. */
  readonly theirs: object;
}

const mechanisms: Record<"PLAIN" | "CURVE", { server: Side; client: Side }> = {
  PLAIN: {
    server: {
      ours: () => plainServer({ authenticate: allowUsers({ admin: password }) }),
      theirs: { plainServer: true },
    },
    client: {
      ours: () => plainClient({ username: "admin", password }),
      theirs: { plainUsername: "admin", plainPassword: password },
    },
  },
  CURVE: {
    server: {
      ours: () => curveServer({ ...serverKeys, authenticate: allowKeys([clientKeys.publicKey]) }),
      theirs: { curveServer: true, curvePublicKey: serverKeys.publicKey, curveSecretKey: serverKeys.secretKey },
    },
    client: {
      ours: () => curveClient({ serverKey: serverKeys.publicKey, ...clientKeys }),
      theirs: {
        curveServerKey: serverKeys.publicKey,
        curvePublicKey: clientKeys.publicKey,
        curveSecretKey: clientKeys.secretKey,
      },
    },
  },
};

const bodies: Buffer[][] = [
  [Buffer.from("x")],
  [Buffer.alloc(0)],
  // Where a sealed frame's length, 33 bytes more, needs eight bytes; where it is no longer copied.
  [Buffer.alloc(222, 1), Buffer.alloc(223, 2), Buffer.alloc(255, 3), Buffer.alloc(256, 4)],
  [Buffer.from("a"), Buffer.alloc(0), Buffer.from("b")],
  [Buffer.alloc(8_159, 5), Buffer.alloc(8_160, 6), Buffer.alloc(65_536, 7)],
  [Buffer.alloc(1 << 20, 8), Buffer.alloc(0), Buffer.alloc(1_200_000, 9)],
];

const same = (got: readonly Uint8Array[], sent: readonly Uint8Array[]): void => {
  expect(got.map((frame) => frame.length)).toEqual(sent.map((frame) => frame.length));
  expect(Buffer.concat(got).equals(Buffer.concat(sent))).toBe(true);
};

async function exchangeOurs(client: Socket): Promise<void> {
  await client.writable(AbortSignal.timeout(5_000));
  for (const body of bodies) {
    expect(client.send(body)).toBe("sent");
    same(await client.receive(AbortSignal.timeout(5_000)), body);
  }
}

async function exchangeTheirs(client: zmq.Request | zmq.Dealer): Promise<void> {
  client.receiveTimeout = 5_000;
  for (const body of bodies) {
    await client.send(body);
    same(await client.receive(), body);
  }
}

async function echoTheirs(server: zmq.Reply | zmq.Router): Promise<void> {
  try {
    for await (const message of server) await server.send(message);
  } catch {
    // The test has ended and closed it.
  }
}

const asked: string[] = [];

/** A ZAP handler for libzmq's servers of this process. */
async function serveZap(): Promise<() => void> {
  const zap = new zmq.Reply();
  await zap.bind("inproc://zeromq.zap.01");
  void (async (): Promise<void> => {
    for await (const [version = "", id = "", , , , mechanism = "", ...credentials] of zap) {
      const known =
        String(mechanism) === "CURVE"
          ? credentials[0]?.equals(z85Decode(clientKeys.publicKey)) === true
          : String(credentials[0]) === "admin" && String(credentials[1]) === password;
      asked.push(`${String(mechanism)} ${known ? "200" : "400"}`);
      await zap.send([version, id, known ? "200" : "400", known ? "OK" : "no", "", ""]);
    }
  })().catch(() => undefined);
  return () => zap.close();
}

let sockets = 0;
const endpoints = { tcp: () => "tcp://127.0.0.1:*", ipc: () => `ipc://${join(directory, `${++sockets}.sock`)}` };

describe.each(["PLAIN", "CURVE"] as const)("%s", (name) => {
  const { server: serverSide, client: clientSide } = mechanisms[name];
  const security = { server: serverSide.ours(), client: clientSide.ours() };
  let stopZap: (() => void) | undefined;
  beforeAll(async () => {
    if (name === "PLAIN") stopZap = await serveZap();
  });
  afterAll(() => stopZap?.());

  describe.each(["tcp", "ipc"] as const)("over %s", (transport) => {
    it.each([
      ["REQ", "REP", () => new zmq.Request(clientSide.theirs), () => reply({ security: security.server })],
      ["DEALER", "ROUTER", () => new zmq.Dealer(clientSide.theirs), () => router({ security: security.server })],
    ] as const)("libzmq's %s talks to our %s, the server", async (_client, _server, makeClient, makeServer) => {
      const server = keep(makeServer());
      echo(server);
      const client = keep(makeClient());
      client.connect(await server.bind(endpoints[transport]()));
      await exchangeTheirs(client);
      const [peer] = server.peers.values();
      expect(peer?.userId).toBe(name === "PLAIN" ? "admin" : clientKeys.publicKey);
    });

    it.each([
      ["REQ", "REP", () => request({ security: security.client }), () => new zmq.Reply(serverSide.theirs)],
      ["DEALER", "ROUTER", () => dealer({ security: security.client }), () => new zmq.Router(serverSide.theirs)],
    ] as const)("our %s talks to libzmq's %s, the server", async (_client, _server, makeClient, makeServer) => {
      const server = keep(makeServer());
      await server.bind(endpoints[transport]());
      void echoTheirs(server);
      const client = keep(makeClient());
      client.connect(server.lastEndpoint ?? "");
      await exchangeOurs(client);
    });

    it.each([
      ["REQ", "REP", () => request({ security: security.client }), () => reply({ security: security.server })],
      ["DEALER", "ROUTER", () => dealer({ security: security.client }), () => router({ security: security.server })],
    ] as const)("our %s talks to our %s", async (_client, _server, makeClient, makeServer) => {
      const server = keep(makeServer());
      echo(server);
      const client = keep(makeClient());
      client.connect(await server.bind(endpoints[transport]()));
      await exchangeOurs(client);
    });
  });

  it("the server may be the one that connects", async () => {
    const server = keep(reply({ security: security.server }));
    echo(server);
    const client = keep(new zmq.Request(clientSide.theirs));
    await client.bind("tcp://127.0.0.1:*");
    server.connect(client.lastEndpoint ?? "");
    await exchangeTheirs(client);
  });

  it("heartbeats go both ways, sealed as the messages", async () => {
    const ours = keep(router({ security: security.server, heartbeatMs: 30 }));
    const theirs = keep(
      new zmq.Dealer({ ...clientSide.theirs, heartbeatInterval: 20, heartbeatTimeout: 500, heartbeatTimeToLive: 500 }),
    );
    theirs.connect(await ours.bind("tcp://127.0.0.1:*"));
    await until(() => ours.peers.size === 1);
    const [peer] = ours.peers.values();
    const bytesAtStart = peer?.bytesIn ?? 0;
    await until(() => (peer?.bytesIn ?? 0) > bytesAtStart + 300 && (peer?.bytesOut ?? 0) > 500);
    expect([...ours.peers.values()]).toEqual([peer]);
    expect(ours.counters.disconnected).toBe(0);
  });

  it("thousands of messages in flight keep their order through libzmq", async () => {
    const theirs = keep(new zmq.Router(serverSide.theirs));
    await theirs.bind("tcp://127.0.0.1:*");
    void echoTheirs(theirs);
    const client = keep(dealer({ security: security.client }));
    client.connect(theirs.lastEndpoint ?? "");
    await client.writable(AbortSignal.timeout(5_000));
    const got: number[] = [];
    client.onMessages((messages) => {
      for (const [frame] of messages) got.push(Number(Buffer.from(frame ?? []).toString()));
      return undefined;
    });
    for (let n = 0; n < 2_000; n++) {
      while (client.send(String(n)) !== "sent") await client.writable();
      if (n % 500 === 499) await until(() => got.length === n + 1);
    }
    expect(got).toEqual(Array.from({ length: 2_000 }, (_, n) => n));
  });

  it("libzmq's client with wrong credentials is refused", async () => {
    const server = keep(router({ security: security.server }));
    const drops: string[] = [];
    server.on("drop", (_address, reason, detail) => drops.push(`${reason}: ${detail}`));
    const stranger = curveKeyPair();
    const wrong =
      name === "PLAIN"
        ? { plainUsername: "admin", plainPassword: "guess" }
        : { ...clientSide.theirs, curvePublicKey: stranger.publicKey, curveSecretKey: stranger.secretKey };
    const client = keep(new zmq.Dealer(wrong));
    const told: unknown[] = [];
    client.events.on("handshake:error:auth", ({ error }) => told.push(error.status));
    client.connect(await server.bind("tcp://127.0.0.1:*"));
    await until(() => drops.length > 0);
    // libzmq 4.3.5 mistakes PLAIN's ERROR (it compares with "^RROR", a slip in a C string), and just leaves.
    if (name === "CURVE") {
      await until(() => told.length > 0);
      expect(told[0]).toBe(400);
    }
    expect(drops[0]).toBe("authentication-failed: authenticate said no");
    expect(server.counters.drops["authentication-failed"]).toBeGreaterThan(0);
    expect(server.peers.size).toBe(0);
  });
});

describe("with a ZAP handler", () => {
  let stopZap: () => void;
  beforeAll(async () => {
    stopZap = await serveZap();
  });
  afterAll(() => stopZap());

  it.each(["PLAIN", "CURVE"] as const)(
    "our %s client is admitted by libzmq, and refused with other credentials",
    async (name) => {
      const { server: serverSide, client: clientSide } = mechanisms[name];
      const server = keep(new zmq.Reply({ ...serverSide.theirs, zapDomain: "test" }));
      await server.bind("tcp://127.0.0.1:*");
      void echoTheirs(server);
      const client = keep(request({ security: clientSide.ours() }));
      client.connect(server.lastEndpoint ?? "");
      await client.writable(AbortSignal.timeout(5_000));
      client.send("hello");
      expect(text(await client.receive(AbortSignal.timeout(5_000)))).toEqual(["hello"]);
      expect(asked.at(-1)).toBe(`${name} 200`);

      const other =
        name === "PLAIN"
          ? plainClient({ username: "admin", password: "guess" })
          : curveClient({ serverKey: serverKeys.publicKey, ...curveKeyPair() });
      const stranger = keep(request({ security: other }));
      const drops: string[] = [];
      stranger.on("drop", (_address, reason, detail) => drops.push(`${reason}: ${detail}`));
      stranger.connect(server.lastEndpoint ?? "");
      await until(() => drops.length > 0);
      expect(drops[0]).toBe('refused-by-peer: the peer said ERROR: "400" (authentication failed)');
      expect(asked.at(-1)).toBe(`${name} 400`);
    },
  );
});

const python = ["python3", "/usr/bin/python3"].find(
  (command) => spawnSync(command, ["-c", "import zmq; assert zmq.has('curve')"], { stdio: "ignore" }).status === 0,
);
if (python === undefined)
  console.warn(
    "SKIPPED: PLAIN and CURVE with pyzmq, because python3-zmq is not installed (apt-get install python3-zmq)",
  );

describe.skipIf(python === undefined)("with pyzmq", () => {
  const program = `
import sys, zmq
how, mechanism, endpoint, server_key, public, secret, password = sys.argv[1:8]
socket = zmq.Context.instance().socket(zmq.REP if how == "serve" else zmq.REQ)
socket.linger = 0
if mechanism == "CURVE":
    socket.curve_publickey, socket.curve_secretkey = public.encode(), secret.encode()
    if how == "serve": socket.curve_server = True
    else: socket.curve_serverkey = server_key.encode()
elif how == "serve":
    from zmq.auth.thread import ThreadAuthenticator
    auth = ThreadAuthenticator(socket.context)
    auth.start()
    auth.configure_plain(domain="*", passwords={"admin": password})
    socket.plain_server = True
else: socket.plain_username, socket.plain_password = b"admin", password.encode()
if how == "serve":
    print(socket.bind_to_random_port("tcp://127.0.0.1"), flush=True)
    while True: socket.send_multipart(socket.recv_multipart())
socket.connect(endpoint)
for body in [[b"x"], [b""], [b"a", b"", b"b"], [b"y" * 256], [b"z" * (1 << 20)]]:
    socket.send_multipart(body)
    assert socket.poll(5000), "no reply"
    assert socket.recv_multipart() == body
print("same", flush=True)
`;
  const children: ReturnType<typeof spawn>[] = [];
  afterAll(() => {
    for (const child of children) child.kill("SIGKILL");
  });

  const run = async (how: "serve" | "connect", mechanism: string, endpoint: string): Promise<string> => {
    const { publicKey, secretKey } = how === "serve" ? serverKeys : clientKeys;
    const args = [how, mechanism, endpoint, serverKeys.publicKey, publicKey, secretKey, password];
    const child = spawn(python ?? "", ["-c", program, ...args], { stdio: ["ignore", "pipe", "inherit"] });
    children.push(child);
    for await (const line of createInterface(child.stdout)) return line;
    throw new Error("the Python peer ended without a word");
  };

  it.each(["PLAIN", "CURVE"] as const)("%s, its client and our server", async (name) => {
    const server = keep(reply({ security: mechanisms[name].server.ours() }));
    echo(server);
    expect(await run("connect", name, await server.bind("tcp://127.0.0.1:*"))).toBe("same");
  });

  it.each(["PLAIN", "CURVE"] as const)("%s, our client and its server", async (name) => {
    const client = keep(request({ security: mechanisms[name].client.ours() }));
    client.connect(`tcp://127.0.0.1:${await run("serve", name, "")}`);
    await exchangeOurs(client);
  });
});
