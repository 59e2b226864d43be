// Starts a TCP or ipc connection. What becomes of it is the connection's affair.
import { connect, type Socket as NetSocket } from "node:net";
import { pipePath } from "../endpoint.ts";
import { limits } from "../limits.ts";
import type { NetEndpoint } from "./listener.ts";

export function dial(target: NetEndpoint): NetSocket {
  if (target.transport === "ipc") return connect({ path: pipePath(target.path), allowHalfOpen: true });
  return connect({
    host: target.host ?? "127.0.0.1",
    port: target.port,
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: limits.keepAliveDelayMs,
  });
}
