// What a container left to say when it ended (kubelet: 4096 bytes of the file, or the end of its log).
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Container } from "@wherry/kube";
import { terminationMessageBytesMax, terminationMessageLogBytesMax, terminationMessageLogLinesMax } from "../limits.ts";
import { parseRecord } from "../logs/cri.ts";
import { terminationLogName } from "./container-spec.ts";

/** Empty: nothing to say. It never fails: a message is a courtesy. */
export async function terminationMessage(
  container: Container,
  folder: string,
  logFile: string,
  exitCode: number,
): Promise<string> {
  const text = await readHead(join(folder, terminationLogName), terminationMessageBytesMax);
  if (text !== "" || container.terminationMessagePolicy !== "FallbackToLogsOnError" || exitCode === 0) return text;
  const log = await readFile(logFile).catch(() => Buffer.alloc(0));
  const lines: string[] = [];
  for (const line of log
    .subarray(-16 * terminationMessageLogBytesMax)
    .toString("utf8")
    .split("\n")) {
    const record = parseRecord(Buffer.from(line));
    if (record !== undefined) lines.push(record.content.toString("utf8"));
  }
  return lines.slice(-terminationMessageLogLinesMax).join("\n").slice(-terminationMessageLogBytesMax);
}

async function readHead(path: string, bytesMax: number): Promise<string> {
  const file = await open(path, "r").catch(() => undefined);
  if (file === undefined) return "";
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytesMax), 0, bytesMax, 0);
    return buffer.toString("utf8", 0, bytesRead);
  } catch {
    return "";
  } finally {
    await file.close();
  }
}
