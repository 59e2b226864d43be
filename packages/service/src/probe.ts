// The exec probe: one application-level ping through the messaging port, answered by the service's event loop in line with
// its real requests, but exempt from its queue limit: an overloaded service is alive, a stuck one is not.
import { type Clock, SystemClock } from "@wherry/core";
import { dealer, type Message, request, type SocketOptions } from "@wherry/zmtp";
import type { ClientCurve } from "./curve/types.ts";
import { messageType, serverState } from "./protocol/codes.ts";
import { decodeContent } from "./protocol/content.ts";
import { type Decoded, decode, encode } from "./protocol/frames.ts";

export interface ProbeOptions {
  /** Milliseconds from the connection's start to the answer. Default 500. */
  readonly timeoutMs?: number;
  /** Instead of a ping: a REQ socket sends `ping`, and any answer counts. For services that are not Wherry's. */
  readonly raw?: boolean;
  /** Encrypts the connection, and talks to the owner of `serverKey` only. Default: it does not encrypt. */
  readonly curve?: ClientCurve;
  readonly clock?: Clock;
}

export type ProbeResult =
  | {
      readonly ok: true;
      readonly latencyMs: number;
      /** What the service says of itself; `unknown` of a raw one. */
      readonly state: "starting" | "ready" | "overloaded" | "draining" | "unknown";
      readonly service: string;
      readonly instance: string;
    }
  | { readonly ok: false; readonly latencyMs: number; readonly error: string };

/**
 * Never throws for the service's sake.
 * @param endpoint `tcp://HOST:PORT`, `HOST:PORT` or `ipc://PATH`
 * @throws WherryError ZMTP_ENDPOINT_INVALID, ZMTP_OPTION_INVALID for keys that are none
 */
export async function probe(endpoint: string, options: ProbeOptions = {}): Promise<ProbeResult> {
  const { timeoutMs = 500, raw = false, clock = new SystemClock() } = options;
  const startMs = clock.monotonic();
  const secured = { clock, ...(await securityOf(options)) };
  const socket = raw ? request(secured) : dealer(secured);
  let problem = "no connection";
  let answered: (answer: Message | undefined) => void = () => undefined;
  const answer = new Promise<Message | undefined>((resolve) => (answered = resolve));
  const timer = clock.timer(timeoutMs, () => answered(undefined));
  socket.on("retry", (_endpoint, _retryInMs, detail) => (problem = detail));
  socket.on("drop", (_address, reason, detail) => (problem = `${reason}: ${detail}`));
  socket.on("connect", () => {
    problem = "connected, but nothing came back: its event loop is blocked, or it does not speak this protocol";
    socket.send(raw ? "ping" : encode(messageType.ping, { id: 1 }));
  });
  socket.onMessages((messages) => {
    answered(messages[0]);
    return undefined;
  });
  try {
    socket.connect(endpoint.includes("://") ? endpoint : `tcp://${endpoint}`);
    const message = await answer;
    const latencyMs = clock.monotonic() - startMs;
    if (message !== undefined) return resultOf(message, raw, latencyMs);
    return { ok: false, latencyMs, error: `${endpoint} did not answer within ${timeoutMs} ms (${problem})` };
  } finally {
    timer.cancel();
    await socket.close({ lingerMs: 0 });
  }
}

/** What encrypts is loaded only where it is asked for. */
async function securityOf({ curve }: ProbeOptions): Promise<Pick<SocketOptions, "security">> {
  if (curve === undefined) return {};
  const { clientSecurity } = await import("./curve/dialling.ts");
  return { security: clientSecurity(curve) };
}

const states = ["starting", "ready", "draining", "overloaded", "stuck"] as const;

function resultOf(answer: Message, raw: boolean, latencyMs: number): ProbeResult {
  const decoded = decode(answer);
  if (raw) {
    // Echoes of the ping come here too: only an ERROR of the service itself means that it is not served.
    const refused = typeof decoded !== "string" && decoded.header.type === messageType.error ? decoded : undefined;
    if (refused !== undefined) return { ok: false, latencyMs, error: messageOf(refused) };
    return { ok: true, latencyMs, state: "unknown", service: "", instance: "" };
  }
  if (typeof decoded === "string" || decoded.header.type !== messageType.pong)
    return { ok: false, latencyMs, error: "answered, but not in Wherry's request protocol; try the raw probe" };
  const { mark, texts } = decoded.header;
  const [service = "", instance = ""] = texts;
  const state = states[mark] ?? states[serverState.ready];
  if (state === "stuck")
    return {
      ok: false,
      latencyMs,
      error: `${service} is stuck: every slot is held by a request far past its deadline`,
    };
  return { ok: true, latencyMs, state, service, instance };
}

function messageOf({ header, body }: Decoded): string {
  try {
    const value = decodeContent(header.content, body) as { readonly message?: unknown };
    if (typeof value.message === "string") return value.message;
  } catch {
    // The code is all there is.
  }
  return header.texts[0] ?? "refused";
}
