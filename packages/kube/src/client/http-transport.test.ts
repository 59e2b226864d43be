// Requests and watches over real sockets: kept connections that die, answers cut anywhere, aborts, TLS with one authority.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { VirtualClock } from "@wherry/core/testing";
import { afterEach, describe, expect, test } from "vitest";
import { resources } from "../schema/kinds.ts";
import { createClient } from "./client.ts";
import { httpTransport } from "./http-transport.ts";
import { tokenReadIntervalMs } from "./limits.ts";

const undo: (() => void)[] = [];
afterEach(() => {
  for (const one of undo.splice(0).reverse()) one();
});

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  undo.push(() => void server.close());
  return (server.address() as AddressInfo).port;
}

async function serve(handler: Handler) {
  const server = createHttpServer(handler);
  const port = await listening(server);
  undo.push(() => server.closeAllConnections());
  const connections = () => new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)));
  return { server: `http://127.0.0.1:${port}`, connections };
}

const json = (response: ServerResponse, value: unknown, status = 200): void => {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
};

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "wherry-http-"));
  undo.push(() => rmSync(path, { recursive: true }));
  return path;
}

const pod = (name: string) => ({
  kind: "Pod",
  metadata: { name, namespace: "default", uid: name, resourceVersion: "1" },
});
const event = (name: string) => `${JSON.stringify({ type: "ADDED", object: pod(name) })}\n`;

describe("requests", () => {
  test("arrive with path, query, body, token and content type as they were given", async () => {
    const seen: unknown[] = [];
    const { server } = await serve((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => {
        const { authorization, "content-type": type } = request.headers;
        seen.push([request.method, request.url, authorization, type, body]);
        json(response, pod("p"));
      });
    });
    const client = createClient(httpTransport({ server: `${server}/prefix/`, token: "secret\n" }));
    await client.patch(resources.pods, { name: "a b/c", namespace: "ä" }, "merge", { x: "é" }, { fieldManager: "me" });
    expect(seen).toEqual([
      [
        "PATCH",
        "/prefix/api/v1/namespaces/%C3%A4/pods/a%20b%2Fc?fieldManager=me",
        "Bearer secret",
        "application/merge-patch+json",
        '{"x":"é"}',
      ],
    ]);
  });

  test("share connections, and read warnings", async () => {
    const { server, connections } = await serve((_, response) => {
      response.setHeader("warning", ['299 - "unknown field \\"spec.x\\""', '299 - "old"']);
      json(response, {});
    });
    const transport = httpTransport({ server });
    for (let index = 0; index < 5; index++) {
      const { warnings } = await transport.request({ method: "GET", path: ["api"] });
      expect(warnings).toEqual(['unknown field "spec.x"', "old"]);
    }
    expect(await connections()).toBe(1);
    transport.close();
    await expect.poll(connections).toBe(0);
  });

  test("fail as KUBE_UNREACHABLE when nobody listens, or the answer breaks off", async () => {
    const closed = createTcpServer();
    const port = await listening(closed);
    closed.close();
    const nobody = httpTransport({ server: `http://127.0.0.1:${port}` }).request({ method: "GET", path: ["api"] });
    await expect(nobody).rejects.toMatchObject({ code: "KUBE_UNREACHABLE", retryable: true });
    const { server } = await serve((_, response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": "100" });
      response.write("{");
      setImmediate(() => response.destroy());
    });
    const half = httpTransport({ server }).request({ method: "GET", path: ["api"] });
    await expect(half).rejects.toMatchObject({ code: "KUBE_UNREACHABLE" });
  });

  test("a read is asked again when the kept connection was closed meanwhile; a write is not", async () => {
    let requests = 0;
    const { server } = await serve((request, response) => {
      requests++;
      if (requests === 2 || requests === 4) request.socket.destroy();
      else json(response, { requests });
    });
    const transport = httpTransport({ server });
    await transport.request({ method: "GET", path: ["api"] });
    expect((await transport.request({ method: "GET", path: ["api"] })).body).toEqual({ requests: 3 });
    const write = transport.request({ method: "POST", path: ["api"], body: {} });
    await expect(write).rejects.toMatchObject({ code: "KUBE_UNREACHABLE" });
    expect(requests).toBe(4);
    transport.close();
  });

  test("reject with the signal's reason when aborted, before and while waiting", async () => {
    const { server, connections } = await serve(() => undefined);
    const transport = httpTransport({ server });
    const abort = new AbortController();
    const waiting = transport.request({ method: "GET", path: ["api"], signal: abort.signal });
    await expect.poll(connections).toBe(1);
    abort.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
    await expect(transport.request({ method: "GET", path: ["api"], signal: abort.signal })).rejects.toThrow("enough");
    await expect.poll(connections).toBe(0);
  });

  test("answers that are no JSON come as text, and bad JSON is an error of its own", async () => {
    const { server } = await serve((request, response) => {
      response.setHeader("content-type", request.url === "/bad" ? "application/json" : "text/plain");
      response.end("ok");
    });
    const transport = httpTransport({ server });
    expect((await transport.request({ method: "GET", path: ["healthz"] })).body).toBe("ok");
    await expect(transport.request({ method: "GET", path: ["bad"] })).rejects.toMatchObject({
      code: "KUBE_ANSWER_INVALID",
    });
    transport.close();
  });

  test("a token file is read again from time to time", async () => {
    const tokens: unknown[] = [];
    const { server } = await serve((request, response) => {
      tokens.push(request.headers.authorization);
      json(response, {});
    });
    const tokenFile = join(folder(), "token");
    const clock = new VirtualClock();
    const transport = httpTransport({ server, tokenFile, clock });
    const ask = () => transport.request({ method: "GET", path: ["api"] });
    await expect(ask()).rejects.toMatchObject({ code: "KUBE_TOKEN_UNREADABLE" });
    writeFileSync(tokenFile, "one\n");
    await ask();
    writeFileSync(tokenFile, "two\n");
    await ask();
    await clock.advance(tokenReadIntervalMs);
    await ask();
    rmSync(tokenFile);
    await clock.advance(tokenReadIntervalMs);
    await ask();
    expect(tokens).toEqual(["Bearer one", "Bearer one", "Bearer two", "Bearer two"]);
    expect(() => httpTransport({ server, token: "a\r\nx-evil: 1" })).toThrow(/one word of ASCII/);
    transport.close();
  });

  test("only http and https servers are accepted", () => {
    expect(() => httpTransport({ server: "unix:/x" })).toThrow(/expected a server such as https/);
    expect(() => httpTransport({ server: "127.0.0.1:6443" })).toThrow(/expected a server such as https/);
  });
});

describe("watches", () => {
  test("yield each event whole, wherever the chunks are cut", async () => {
    const bytes = Buffer.from(`${event("ä-1")}\r\n${event("€-2")}${event("😀-3")}`);
    const { server } = await serve((_, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      const send = (index: number): void => {
        if (index < bytes.length) response.write(bytes.subarray(index, index + 1), () => send(index + 1));
        else response.end();
      };
      send(0);
    });
    const names: string[] = [];
    for await (const { type, object } of createClient(httpTransport({ server })).watch(resources.pods))
      if (type !== "ERROR") names.push(object.metadata.name);
    expect(names).toEqual(["ä-1", "€-2", "😀-3"]);
  });

  test("close their socket at once when aborted or left, and end without an error", async () => {
    const { server, connections } = await serve((_, response) => {
      response.writeHead(200);
      response.write(event("a"));
    });
    const client = createClient(httpTransport({ server }));
    const abort = new AbortController();
    const seen: unknown[] = [];
    const watching = (async () => {
      for await (const one of client.watch(resources.pods, { signal: abort.signal })) seen.push(one);
    })();
    await expect.poll(() => seen).toHaveLength(1);
    abort.abort();
    await watching;
    await expect.poll(connections).toBe(0);
    for await (const one of client.watch(resources.pods)) {
      seen.push(one);
      break;
    }
    expect(seen).toHaveLength(2);
    await expect.poll(connections).toBe(0);
  });

  test("are refused with the server's Status", async () => {
    const status = { kind: "Status", status: "Failure", reason: "Expired", message: "too old", code: 410 };
    const { server, connections } = await serve((_, response) => json(response, status, 410));
    const watch = createClient(httpTransport({ server })).watch(resources.pods)[Symbol.asyncIterator]();
    await expect(watch.next()).rejects.toMatchObject({ code: "KUBE_EXPIRED", httpStatus: 410 });
    await expect.poll(connections).toBe(0);
  });

  test.each([
    ["the connection breaks", (response: ServerResponse) => response.destroy(), "KUBE_UNREACHABLE"],
    ["the stream ends within an event", (response: ServerResponse) => response.end('{"type":'), "KUBE_UNREACHABLE"],
    ["a line is no JSON", (response: ServerResponse) => response.end("<html>\n"), "KUBE_WATCH_INVALID"],
    ["a line is no event", (response: ServerResponse) => response.end('{"kind":"Pod"}\n'), "KUBE_WATCH_INVALID"],
  ])("fail when %s", async (_, finish, code) => {
    const { server } = await serve((_request, response) => {
      response.writeHead(200);
      response.write(event("a"), () => finish(response));
    });
    const watch = createClient(httpTransport({ server })).watch(resources.pods)[Symbol.asyncIterator]();
    expect((await watch.next()).value).toMatchObject({ type: "ADDED" });
    await expect(watch.next()).rejects.toMatchObject({ code });
  });
});

const program = "openssl";
const openssl = ((): boolean => {
  try {
    execFileSync(program, ["version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

describe.skipIf(!openssl)("TLS (needs openssl to make a certificate)", () => {
  test("trusts the given authority only, and shows its client certificate", async () => {
    const at = folder();
    const names = ["-subj", "/CN=wherry-test", "-addext", "subjectAltName=IP:127.0.0.1"];
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    execFileSync(program, ["req", "-x509", ...key, ...names, "-days", "2", "-keyout", "key", "-out", "cert"], {
      cwd: at,
      stdio: "ignore",
    });
    const [cert, pemKey] = [readFileSync(join(at, "cert")), readFileSync(join(at, "key"))];
    const https = createHttpsServer({ cert, key: pemKey, ca: cert, requestCert: true }, (request, response) => {
      const { CN } = (request.socket as unknown as Pick<TLSSocket, "getPeerCertificate">).getPeerCertificate().subject;
      json(response, { CN });
    });
    const port = await listening(https);
    const server = `https://127.0.0.1:${port}`;
    const request = { method: "GET", path: ["api"] } as const;
    const known = httpTransport({ server, ca: cert, clientCertificate: cert, clientKey: pemKey });
    expect((await known.request(request)).body).toEqual({ CN: "wherry-test" });
    known.close();
    const stranger = httpTransport({ server, clientCertificate: cert, clientKey: pemKey });
    await expect(stranger.request(request)).rejects.toThrow(/SELF_SIGNED_CERT|self-signed/);
    stranger.close();
  });
});
