// PLAIN and CURVE against pyzmq, where Debian's python3-zmq is installed.
import { spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, it } from "vitest";
import { echo } from "../harness.suite.ts";
import { reply, request } from "../index.ts";
import { clientKeys, exchangeOurs, keep, mechanisms, password, serverKeys } from "./interop.suite.ts";

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
  afterEach(() => {
    for (const child of children.splice(0)) {
      child.kill("SIGKILL");
      // What it still had to say is not read: the pipe would stay open.
      child.stdout?.destroy();
    }
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
