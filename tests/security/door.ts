// A client with no manners: sends the API server any bytes over TLS, and reads what comes back until the connection ends.
// It checks the server's certificate against the kubeconfig's CA, as every client does.
import { readFileSync } from "node:fs";
import { connect } from "node:tls";

export interface Door {
  readonly port: number;
  readonly token: string;
  readonly ca: Buffer;
}

export interface Answer {
  /** 0: the connection was ended without one. */
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** What the kubeconfig says; ours is JSON, which is YAML too. */
export function doorOf(kubeconfig: string): Door {
  const { clusters, users } = JSON.parse(readFileSync(kubeconfig, "utf8")) as {
    clusters: { cluster: { server: string; "certificate-authority-data": string } }[];
    users: { user: { token: string } }[];
  };
  const cluster = clusters[0]!.cluster;
  return {
    port: Number(new URL(cluster.server).port),
    token: users[0]!.user.token,
    ca: Buffer.from(cluster["certificate-authority-data"], "base64"),
  };
}

/** Resolves when the server has ended the connection, however it did. */
export function send({ port, ca }: Door, bytes: string | Uint8Array): Promise<Answer> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect({ host: "127.0.0.1", port, ca, servername: "localhost" }, () => socket.write(bytes));
    socket.setEncoding("latin1").on("data", (chunk: string) => (text += chunk));
    socket.on("error", () => undefined);
    socket.once("close", () => {
      const [head = "", ...rest] = text.split("\r\n\r\n");
      resolve({ status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0), head, body: rest.join("\r\n\r\n") });
    });
  });
}

export interface Request {
  readonly method?: string;
  readonly path: string;
  readonly token?: string | undefined;
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly contentType?: string;
}

export function request(door: Door, options: Request): Promise<Answer> {
  const { method = "GET", path, token, host = "127.0.0.1", headers = {}, body = "", contentType } = options;
  const lines = [
    `${method} ${path} HTTP/1.1`,
    `Host: ${host}`,
    "Connection: close",
    ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]),
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...(body === "" ? [] : [`Content-Type: ${contentType ?? "application/json"}`]),
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  return send(door, `${lines.join("\r\n")}\r\n\r\n${body}`);
}
