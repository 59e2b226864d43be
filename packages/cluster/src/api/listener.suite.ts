// For tests only: the API behind its HTTPS listener, and requests that are as bare, or as wrong, as a test wants them.
import "reflect-metadata";
import {
  BasicConstraintsExtension,
  cryptoProvider,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { silentLogger } from "@wherry/core";
import { webcrypto } from "node:crypto";
import { Agent, request } from "node:https";
import type { IncomingHttpHeaders } from "node:http";
import { connect, type TLSSocket } from "node:tls";
import { createAuthenticator, type Listener, listen } from "./index.ts";
import { type Harness, startApi } from "./harness.suite.ts";

export const adminToken = "test-admin-token-0123456789abcdef";
export const allowedHost = "127.9.0.1";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface HttpRequest {
  readonly method?: string;
  readonly path: string;
  /** Without one, none is sent. */
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface TestListener extends Harness {
  readonly listener: Listener;
  readonly ca: string;
  send(request: HttpRequest): Promise<Answer>;
  /** A TLS connection on which the test writes bytes. */
  open(): Promise<TLSSocket>;
  /** Everything that comes back for these bytes until the server closes, or `untilMs` passes. */
  raw(bytes: string): Promise<string>;
}

export async function selfSigned(): Promise<{ readonly key: string; readonly cert: string }> {
  cryptoProvider.set(webcrypto as never);
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: "01",
    name: "CN=wherry-test",
    notBefore: new Date("2020-01-01"),
    notAfter: new Date("2099-01-01"),
    signingAlgorithm: algorithm,
    keys: keys as never,
    extensions: [
      new SubjectAlternativeNameExtension([{ type: "ip", value: "127.0.0.1" }]),
      new BasicConstraintsExtension(true),
    ],
  });
  const key = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
  return { key: PemConverter.encode(key, "PRIVATE KEY"), cert: certificate.toString("pem") };
}

export async function startListener(options: Parameters<typeof startApi>[0] = {}): Promise<TestListener> {
  const harness = await startApi(options);
  const tls = await selfSigned();
  const authenticator = createAuthenticator({ adminToken, tokens: harness.tokens, lookup: harness.api });
  const listener = await listen(harness.api, {
    port: 0,
    tls,
    authenticator,
    allowedHosts: [allowedHost],
    log: options.log ?? silentLogger,
  });
  // Node's client would take the Host header for the server's name; what is tested is the header, not the client.
  const checkServerIdentity = (): undefined => undefined;
  const agent = new Agent({ ca: tls.cert, keepAlive: true, maxSockets: 8, servername: "", checkServerIdentity });
  const { port } = listener;
  const open = (): Promise<TLSSocket> =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: "127.0.0.1", port, ca: tls.cert }, () => resolve(socket));
      socket.once("error", reject);
    });
  return {
    ...harness,
    listener,
    ca: tls.cert,
    send: (wanted) => sendWith(agent, port, wanted),
    open,
    async raw(bytes) {
      const socket = await open();
      return new Promise((resolve) => {
        let text = "";
        socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
        socket.on("error", () => undefined);
        socket.once("close", () => resolve(text));
        socket.end(bytes);
      });
    },
    async close() {
      agent.destroy();
      await listener.close(0);
      await harness.close();
    },
  };
}

function sendWith(
  agent: Agent,
  port: number,
  { method = "GET", path, token, headers, body }: HttpRequest,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: "127.0.0.1",
        port,
        agent,
        method,
        path,
        headers: {
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...(body !== undefined && {
            "content-type": "application/json",
            "content-length": String(Buffer.byteLength(body)),
          }),
          ...headers,
        },
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
        incoming.once("error", reject);
        incoming.once("end", () =>
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            text: Buffer.concat(chunks).toString("utf8"),
          }),
        );
      },
    );
    outgoing.once("error", reject);
    outgoing.end(body);
  });
}
