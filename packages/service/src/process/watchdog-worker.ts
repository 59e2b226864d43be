// A thread that watches the main one. When the main thread's heartbeat stops for too long, it pauses it as a debugger does, writes
// the stack to stdout, and lets it go on at once. Its writes are synchronous and its own: the main thread can do nothing now.
import { writeSync } from "node:fs";
import { type Debugger, Session } from "node:inspector";
import { parentPort, workerData } from "node:worker_threads";
import { SystemClock } from "@wherry/core";
import { blockedRecordIntervalMs, blockedStackFramesMax, pauseTimeoutMs } from "../limits.ts";
import type { Watched } from "./watchdog.ts";

const { heartbeat, blockedMs, base, terminal, colour } = workerData as Watched;
const beats = new Int32Array(heartbeat);
const clock = new SystemClock();
const periodMs = blockedMs / 4;

let lastBeat = -1;
let lastChangeMs = clock.monotonic();
let lastLookMs = lastChangeMs;
let told = false;
let nextRecordMs = Number.NEGATIVE_INFINITY;

function look(): void {
  clock.timer(periodMs, look);
  const nowMs = clock.monotonic();
  const beat = Atomics.load(beats, 0);
  // Late itself: it was the whole process that stood still, by SIGSTOP or a machine that slept.
  const stoodStill = nowMs - lastLookMs > blockedMs / 2 + periodMs;
  lastLookMs = nowMs;
  if (beat !== lastBeat || stoodStill) {
    lastBeat = beat;
    lastChangeMs = nowMs;
    told = false;
  } else if (!told && nowMs - lastChangeMs >= blockedMs && nowMs >= nextRecordMs) {
    told = true;
    nextRecordMs = nowMs + blockedRecordIntervalMs;
    nameCulprit(lastChangeMs);
  }
}

/** The record is written once: with the stack, or without when no JavaScript runs that could be paused. */
function nameCulprit(sinceMs: number): void {
  const session = new Session();
  session.connectToMainThread();
  // A frame says which script it is of by number; enabling tells each script's place first.
  const scripts = new Map<string, string>();
  session.on("Debugger.scriptParsed", ({ params: { scriptId, url } }) => scripts.set(scriptId, url));
  let written = false;
  const tell = (frames: readonly Debugger.CallFrame[]): void => {
    if (!written) writeRecord(Math.round(clock.monotonic() - sinceMs), frames, scripts);
    written = true;
  };
  const timer = clock.timer(pauseTimeoutMs, () => tell([]));
  session.on("Debugger.paused", ({ params }) => {
    timer.cancel();
    tell(params.callFrames);
    session.post("Debugger.resume", () => session.post("Debugger.disable", () => session.disconnect()));
  });
  session.post("Debugger.enable");
  session.post("Debugger.pause");
}

function writeRecord(forMs: number, frames: readonly Debugger.CallFrame[], scripts: ReadonlyMap<string, string>): void {
  const shown = frames
    .slice(0, blockedStackFramesMax)
    .map(({ functionName, location: { scriptId, lineNumber, columnNumber = 0 } }) => {
      const place = `${scripts.get(scriptId) ?? "?"}:${lineNumber + 1}:${columnNumber + 1}`;
      return `${functionName === "" ? "<anonymous>" : functionName} (${place})`;
    });
  const culprit = shown.find((frame) => !frame.includes("(node:")) ?? shown[0] ?? "native code, which can't be paused";
  const msg = `the event loop is blocked for ${forMs} ms by ${culprit}`;
  const stack = [`EventLoopBlocked: ${msg}`, ...shown.map((frame) => `    at ${frame}`)].join("\n");
  const err = { type: "EventLoopBlocked", message: msg, stack };
  const time = new Date(clock.now()).toISOString();
  const line = `${JSON.stringify({ level: "warn", time, ...base, blockedMs: forMs, err, msg })}\n`;
  if (!terminal) write(line);
  else void import("./pretty.ts").then(({ prettyLine }) => write(prettyLine(line, colour)));
  // For the sinks, when the main thread is back.
  parentPort?.postMessage(line);
}

function write(text: string): void {
  let rest = Buffer.from(text);
  // A pipe that is full takes it in parts.
  for (let tries = 0; rest.length > 0 && tries < 1000; tries++) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

look();
parentPort?.postMessage("watching");
