// The CRI log: every byte comes back in order, whatever the lines are like, and however they arrive.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { appendFile, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { silentLogger, SystemClock } from "@wherry/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { LogOptions } from "../../api/types.ts";
import { logLineBytesMax, rawOutputBehindBytesMax, rawOutputBytesMax } from "../limits.ts";
import { parseRecord, toRecords } from "./cri.ts";
import { LogPump } from "./log-pump.ts";
import { readLog } from "./read-log.ts";

const time = "2026-01-01T00:00:00.000000000Z";

describe("CRI records", () => {
  it("hold every byte of the output", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.string(),
            fc.string({ minLength: logLineBytesMax, maxLength: 3 * logLineBytesMax }),
            fc.constant(""),
          ),
          { maxLength: 6 },
        ),
        (lines) => {
          const data = Buffer.from(lines.map((line) => line.replaceAll("\n", " ")).join("\n"));
          const { records, used } = toRecords(data, "stdout", time, true);
          expect(used).toBe(data.length);
          const parsed = splitLines(records).map((line) => parseRecord(line));
          const text = Buffer.concat(
            parsed.flatMap((record) =>
              record === undefined ? [] : [record.content, Buffer.from(record.partial ? "" : "\n")],
            ),
          );
          const wanted = data.length === 0 || data.at(-1) === 0x0a ? data : Buffer.concat([data, Buffer.from("\n")]);
          expect(text.equals(wanted)).toBe(true);
          expect(parsed.every((record) => record !== undefined && record.content.length <= logLineBytesMax)).toBe(true);
        },
      ),
      { numRuns: 50 },
    );
  });
  it("leave an unfinished line for later", () => {
    expect(toRecords(Buffer.from("one\ntw"), "stderr", time, false)).toEqual({
      records: Buffer.from(`${time} stderr F one\n`),
      used: 4,
    });
  });
});

describe("a container's log", () => {
  let folder: string;
  const clock = new SystemClock();
  const pumps: LogPump[] = [];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "wherry-log-"));
  });
  afterEach(async () => {
    for (const pump of pumps.splice(0)) pump.close();
    await rm(folder, { recursive: true, force: true });
  });
  const pump = async (): Promise<LogPump> => {
    const made = new LogPump({ folder, file: join(folder, "log", "0.log"), clock, log: silentLogger });
    pumps.push(made);
    await made.start();
    return made;
  };
  const read = async (of: LogPump, options: Partial<LogOptions> = {}): Promise<string> => {
    const chunks: Uint8Array[] = [];
    const all = { follow: false, previous: false, timestamps: false, signal: new AbortController().signal, ...options };
    for await (const chunk of readLog({ file: of.file, pump: of, options: all, nowMs: clock.now() }))
      chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  };
  const out = (text: string): Promise<void> => appendFile(join(folder, "stdout"), text);

  it("goes on where the pump before stopped", async () => {
    await out("one\n");
    const first = await pump();
    await first.flush();
    await out("two\nhalf");
    await first.flush();
    first.close();
    await out(" line\nthree\n");
    const second = await pump();
    await second.end();
    expect(await read(second)).toBe("one\ntwo\nhalf line\nthree\n");
  });

  it("survives that the output was emptied while nobody looked", async () => {
    await out("one\ntwo\n");
    const first = await pump();
    await first.flush();
    first.close();
    await writeFile(join(folder, "stdout"), "new\n");
    const second = await pump();
    await second.flush();
    expect(await read(second)).toBe("one\ntwo\nnew\n");
  });

  it("drops the middle of what nobody could keep up with, and says so", async () => {
    await writeFile(join(folder, "stdout"), Buffer.alloc(rawOutputBehindBytesMax + 1, "a line\n"));
    await out("\nend\n");
    const made = await pump();
    await made.flush();
    expect(await read(made, { tailLines: 1 })).toBe("end\n");
    expect(await read(made, { limitBytes: 60 })).toMatch(/^\[wherry: \d+ bytes of stdout were dropped/);
    // What was taken over is not kept twice.
    expect((await stat(join(folder, "stdout"))).size).toBe(0);
  });

  it("is cut by lines, bytes and time", async () => {
    await out("one\ntwo\nthree\n");
    const made = await pump();
    await made.flush();
    expect(await read(made, { tailLines: 2 })).toBe("two\nthree\n");
    expect(await read(made, { tailLines: 99 })).toBe("one\ntwo\nthree\n");
    expect(await read(made, { limitBytes: 5 })).toBe("one\nt");
    expect(await read(made, { sinceSeconds: 3600 })).toBe("one\ntwo\nthree\n");
    expect(await read(made, { sinceTime: new Date(clock.now() + 60_000).toISOString() })).toBe("");
    expect(await read(made, { timestamps: true, tailLines: 1 })).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z three\n$/);
  });

  it("is followed to its end, and no longer than the reader wants", async () => {
    const made = await pump();
    await out("one\n");
    const stop = new AbortController();
    const aborted = read(made, { follow: true, signal: stop.signal });
    const whole = read(made, { follow: true });
    await made.flush();
    await out("two\n");
    await made.flush();
    stop.abort();
    expect(await aborted).toMatch(/^(one\n)?(two\n)?$/);
    await out("rest");
    await made.end();
    expect(await whole).toBe("one\ntwo\nrest\n");
  });
  it("of one that never pauses is cut, says so, and goes on: its raw output must not fill the disk", async () => {
    const raw = join(folder, "stdout");
    await writeFile(raw, "");
    const made = await pump();
    const output = openSync(raw, "a");
    const flood = spawn("yes", ["a long line ".repeat(300)], { stdio: ["ignore", output, "ignore"] });
    closeSync(output);
    try {
      const log = async (): Promise<string> => await readFile(made.file, "latin1");
      await expect.poll(log).toMatch(/\d+ bytes of stdout were dropped.*\n\S+ stdout /);
    } finally {
      flood.kill("SIGKILL");
    }
    await once(flood, "close");
    await made.end();
    expect((await stat(raw)).size).toBeLessThanOrEqual(rawOutputBytesMax);
  });
});

function splitLines(data: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  let start = 0;
  for (let end = data.indexOf(0x0a); end >= 0; end = data.indexOf(0x0a, start)) {
    lines.push(data.subarray(start, end));
    start = end + 1;
  }
  return lines;
}
