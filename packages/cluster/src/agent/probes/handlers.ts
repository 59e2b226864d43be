// Runs one probe or hook action: exec, httpGet or tcpSocket. It connects to loopback addresses only, whatever a manifest names: a
// probe must not become a way to reach other machines (reference/exemplars.md 4.4, test 43). It decides nothing about thresholds.
import type { IncomingMessage, RequestOptions } from "node:http";
import { get as httpsGet } from "node:https";
import { connect } from "node:net";
import { asError, type Clock } from "@wherry/core";
import type { Container, ExecAction, HTTPGetAction, TCPSocketAction } from "@wherry/kube";
import { probeBodyBytesMax, probeRedirectsMax } from "../limits.ts";
import type { ExecResult } from "../runtime/types.ts";

// Not imported: an import also evaluates the WebSocket exports of node:http, which load undici, some 30 ms of each start.
const { get: httpGet } = process.getBuiltinModule("node:http");

export interface ProbeAction {
  readonly exec?: ExecAction;
  readonly httpGet?: HTTPGetAction;
  readonly tcpSocket?: TCPSocketAction;
  readonly grpc?: unknown;
}

export interface ProbeTarget {
  readonly container: Container;
  readonly podIP: string;
  exec(argv: readonly string[], timeoutMs: number): Promise<ExecResult>;
}

/** `error`: the probe itself could not be made; it counts as nothing. */
export interface ProbeResult {
  readonly verdict: "success" | "failure" | "error" | "warning";
  readonly output: string;
}

export type ProbeRunner = (action: ProbeAction, target: ProbeTarget, timeoutMs: number) => Promise<ProbeResult>;

export function probeRunner(clock: Clock): ProbeRunner {
  return async (action, target, timeoutMs) => {
    try {
      if (action.exec !== undefined) return await execProbe(action.exec, target, timeoutMs);
      if (action.httpGet !== undefined) return await httpProbe(action.httpGet, target, timeoutMs, clock);
      if (action.tcpSocket !== undefined) return await tcpProbe(action.tcpSocket, target, timeoutMs, clock);
      return failure(
        action.grpc === undefined
          ? "no action: one of exec, httpGet, tcpSocket is needed"
          : "grpc probes aren't offered: use exec, httpGet or tcpSocket",
      );
    } catch (error) {
      return { verdict: "error", output: asError(error).message };
    }
  };
}

function failure(output: string): ProbeResult {
  return { verdict: "failure", output };
}

async function execProbe(action: ExecAction, target: ProbeTarget, timeoutMs: number): Promise<ProbeResult> {
  const result = await target.exec(action.command ?? [], timeoutMs);
  if (result.timedOut) return failure(`command timed out after ${timeoutMs / 1000}s`);
  return { verdict: result.exitCode === 0 ? "success" : "failure", output: result.output };
}

/** A port's number, by number or by its name in the container. */
export function portOf(port: number | string, container: Container): number | undefined {
  if (typeof port === "number") return port;
  return (
    container.ports?.find((candidate) => candidate.name === port)?.containerPort ??
    (/^\d+$/.test(port) ? Number(port) : undefined)
  );
}

/** The address to connect to, or undefined when it isn't one of this machine's own. */
export function loopbackHost(host: string | undefined, podIP: string): string | undefined {
  if (host === undefined || host === "") return podIP;
  if (host === "localhost") return "127.0.0.1";
  return /^127(\.\d{1,3}){3}$/.test(host) ? host : undefined;
}

/**
 * As in Kubernetes, a connection says that somebody listens, not that he works: the kernel accepts also for a program that hangs
 * or was stopped, until its backlog is full. Such a one is found by a liveness probe that it has to answer itself (httpGet, exec);
 * it is restarted after `periodSeconds` × `failureThreshold`, plus the grace period, for it does not hear SIGTERM.
 */
async function tcpProbe(
  action: TCPSocketAction,
  target: ProbeTarget,
  timeoutMs: number,
  clock: Clock,
): Promise<ProbeResult> {
  const host = loopbackHost(action.host, target.podIP);
  const port = portOf(action.port, target.container);
  if (host === undefined) return failure(refused(action.host));
  if (port === undefined) return failure(`no port is named ${JSON.stringify(action.port)}`);
  return await new Promise((resolve) => {
    const socket = connect({ host, port });
    const timer = clock.timer(timeoutMs, () => settle(failure(`dial tcp ${host}:${port}: i/o timeout`)), {
      background: true,
    });
    const settle = (result: ProbeResult): void => {
      timer.cancel();
      socket.destroy();
      resolve(result);
    };
    socket.once("connect", () => settle({ verdict: "success", output: "" }));
    socket.once("error", (error) => settle(failure(`dial tcp ${host}:${port}: ${reasonOf(error)}`)));
  });
}

async function httpProbe(
  action: HTTPGetAction,
  target: ProbeTarget,
  timeoutMs: number,
  clock: Clock,
): Promise<ProbeResult> {
  const host = loopbackHost(action.host, target.podIP);
  const port = portOf(action.port, target.container);
  if (host === undefined) return failure(refused(action.host));
  if (port === undefined) return failure(`no port is named ${JSON.stringify(action.port)}`);
  const scheme = (action.scheme ?? "HTTP").toLowerCase();
  let url = new URL(`${scheme}://${host}:${port}/`);
  const path = action.path === undefined || action.path === "" ? "/" : action.path;
  url = new URL(url.origin + (path.startsWith("/") ? path : `/${path}`));
  const stop = new AbortController();
  const timer = clock.timer(timeoutMs, () => stop.abort(), { background: true });
  try {
    for (let redirects = 0; ; redirects++) {
      const { status, location, body } = await request(url, headersOf(action), stop.signal);
      if (location === undefined)
        return status >= 200 && status < 400
          ? { verdict: "success", output: body }
          : failure(`HTTP probe failed with statuscode: ${status}`);
      const next = new URL(location, url);
      // Kubelet does not follow to another host, and takes it as a success with a warning.
      if (next.hostname !== url.hostname)
        return { verdict: "warning", output: `Probe terminated redirects, Response body: ${body}` };
      if (redirects >= probeRedirectsMax) return failure(`stopped after ${probeRedirectsMax} redirects`);
      url = next;
    }
  } catch (error) {
    const what = stop.signal.aborted
      ? "context deadline exceeded (timeout while awaiting headers)"
      : reasonOf(asError(error));
    return failure(`Get "${url.href}": ${what}`);
  } finally {
    timer.cancel();
  }
}

function headersOf(action: HTTPGetAction): Record<string, string> {
  const headers = new Map([
    ["user-agent", "kube-probe/1.35"],
    ["accept", "*/*"],
  ]);
  for (const { name, value } of action.httpHeaders ?? []) {
    const key = name.toLowerCase();
    if (value === "" && (key === "accept" || key === "user-agent")) headers.delete(key);
    else headers.set(key, value);
  }
  return Object.fromEntries(headers);
}

async function request(
  url: URL,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly location: string | undefined; readonly body: string }> {
  const options: RequestOptions & { rejectUnauthorized?: boolean } = {
    agent: false,
    headers,
    signal,
    rejectUnauthorized: false,
  };
  return await new Promise((resolve, reject) => {
    const onResponse = (response: IncomingMessage): void => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      const status = response.statusCode ?? 0;
      const location = [301, 302, 303, 307, 308].includes(status) ? response.headers.location : undefined;
      const finish = (): void => {
        resolve({ status, location, body: Buffer.concat(chunks).toString("utf8").slice(0, probeBodyBytesMax) });
        response.destroy();
      };
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        bytes += chunk.length;
        if (bytes >= probeBodyBytesMax) finish();
      });
      response.once("end", finish);
      response.once("error", reject);
    };
    const sent = url.protocol === "https:" ? httpsGet(url, options, onResponse) : httpGet(url, options, onResponse);
    sent.once("error", reject);
  });
}

function refused(host: string | undefined): string {
  return `host ${JSON.stringify(host)} is refused: probes connect to the pod or to a loopback address only`;
}

function reasonOf(error: Error): string {
  return "code" in error && error.code === "ECONNREFUSED" ? "connect: connection refused" : error.message;
}
