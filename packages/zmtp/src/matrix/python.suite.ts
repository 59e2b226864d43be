// pyzmq's sockets, driven from here: one Python process for all of a test file, told by a line of JSON and the frames' bytes what to do with
// which socket, and answering in the same form, one thing after the other.
import { type ChildProcessByStdio, spawn, spawnSync } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { pythonWithZmq } from "../../../../tests/support/python.ts";
import { admitted } from "./cases.suite.ts";

const program = `
import json, sys, threading, zmq
context = zmq.Context()
known = json.loads(sys.argv[1])

def zap():
    socket = context.socket(zmq.REP)
    socket.bind("inproc://zeromq.zap.01")
    while True:
        version, request, _, _, _, mechanism, *said = socket.recv_multipart()
        wanted = [bytes.fromhex(known["key"])] if mechanism == b"CURVE" else [known["user"].encode(), known["password"].encode()]
        socket.send_multipart([version, request, b"200" if said == wanted else b"400", b"", b"", b""])
threading.Thread(target=zap, daemon=True).start()

sockets = {}
def do(what, id, frames, options):
    if what == "open":
        socket = sockets[id] = context.socket(getattr(zmq, options.pop("type")))
        socket.linger = 0
        for name, value in options.items():
            setattr(socket, name, value.encode() if isinstance(value, str) else value)
        return []
    if what == "close":
        if id in sockets: sockets.pop(id).close(0)
        return []
    socket = sockets[id]
    if what == "bind":
        socket.bind(frames[0].decode())
        return [socket.last_endpoint.rstrip(b"\\0")]
    if what == "connect": socket.connect(frames[0].decode())
    elif what == "send":
        if not socket.poll(10000, zmq.POLLOUT): raise Exception("no room to send")
        socket.send_multipart(frames, copy=True)
    elif what == "offer":
        try: socket.send_multipart(frames, zmq.NOBLOCK)
        except zmq.ZMQError: return [b"no"]
        return [b"yes"]
    elif what == "receive":
        if not socket.poll(10000): raise Exception("nothing came")
        return socket.recv_multipart()
    elif what == "subscribe": socket.send(b"\\1" + frames[0]) if socket.type == zmq.XSUB else socket.subscribe(frames[0])
    elif what == "unsubscribe": socket.send(b"\\0" + frames[0]) if socket.type == zmq.XSUB else socket.unsubscribe(frames[0])
    return []

while line := sys.stdin.buffer.readline():
    ask = json.loads(line)
    frames = [sys.stdin.buffer.read(size) for size in ask["sizes"]]
    try: answer, error = do(ask["what"], ask["id"], frames, ask["options"]), None
    except Exception as failed: answer, error = [], repr(failed)
    sys.stdout.buffer.write(json.dumps({"error": error, "sizes": [len(frame) for frame in answer]}).encode() + b"\\n")
    for frame in answer: sys.stdout.buffer.write(frame)
    sys.stdout.buffer.flush()
`;

/** A Python whose ZeroMQ can do CURVE, or undefined, which is then said once, loudly. */
export function findPython(): string | undefined {
  const python = pythonWithZmq();
  const able = python !== undefined && spawnSync(python, ["-c", "import zmq; assert zmq.has('curve')"]).status === 0;
  if (!able)
    console.warn("SKIPPED: interoperability with pyzmq; python3-zmq is not installed (apt-get install python3-zmq)");
  return able ? python : undefined;
}

interface Asked {
  readonly resolve: (frames: Buffer[]) => void;
  readonly reject: (error: Error) => void;
}

export class Python {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #asked: Asked[] = [];
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** How many bytes the answer that comes in needs before it is worth looking at again. */
  #need = 1;

  constructor(python: string) {
    const { username, password, clientKey } = admitted;
    const known = JSON.stringify({ user: username, password, key: clientKey.toString("hex") });
    this.#child = spawn(python, ["-c", program, known], { stdio: ["pipe", "pipe", "inherit"] });
    this.#child.stdout.on("data", (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#bytes += chunk.length;
      while (this.#bytes >= this.#need && this.#answer());
    });
    this.#child.once("exit", (code) => {
      for (const { reject } of this.#asked.splice(0)) reject(new Error(`the Python process has ended: ${code}`));
    });
  }

  ask(
    what: string,
    id: number,
    frames: readonly (string | Uint8Array)[] = [],
    options: object = {},
  ): Promise<Buffer[]> {
    const bodies = frames.map((frame) => Buffer.from(frame as string));
    const line = JSON.stringify({ what, id, options, sizes: bodies.map(({ length }) => length) });
    this.#child.stdin.write(Buffer.concat([Buffer.from(`${line}\n`), ...bodies]));
    return new Promise((resolve, reject) => this.#asked.push({ resolve, reject }));
  }

  async end(): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once("close", resolve));
    this.#child.kill("SIGKILL");
    await gone;
  }

  /** @returns false: there is no whole answer yet. */
  #answer(): boolean {
    const bytes = Buffer.concat(this.#chunks);
    this.#chunks = [bytes];
    const lineEnd = bytes.indexOf("\n");
    this.#need = bytes.length + 1;
    if (lineEnd < 0) return false;
    const { error, sizes } = JSON.parse(bytes.toString("utf8", 0, lineEnd)) as Answer;
    let at = lineEnd + 1;
    const end = at + sizes.reduce((sum, size) => sum + size, 0);
    this.#need = end;
    if (bytes.length < end) return false;
    const frames = sizes.map((size) => bytes.subarray(at, (at += size)));
    this.#chunks = [bytes.subarray(end)];
    this.#bytes = bytes.length - end;
    this.#need = 1;
    const asked = this.#asked.shift();
    if (error === null) asked?.resolve(frames);
    else asked?.reject(new Error(`pyzmq: ${error}`));
    return this.#bytes > 0;
  }
}

interface Answer {
  readonly error: string | null;
  readonly sizes: readonly number[];
}
