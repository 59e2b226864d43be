// Takes a container's raw output over into its CRI log, as it grows. It is woken by the file system, never polls, and holds one
// read at a time, so that a flood waits in the container's own file. It runs in the daemon: while that is dead, output gathers in
// the raw files, and the next daemon's pump goes on where this one stopped.
import { type FSWatcher, watch } from "node:fs";
import {
  appendFile,
  type FileHandle,
  mkdir,
  open,
  readFile,
  rename,
  rm,
  stat,
  truncate,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Clock, Logger, Timer } from "@wherry/core";
import { asError } from "@wherry/core";
import {
  logFileBytesMax,
  logFilesKept,
  logPumpIntervalMs,
  logReadBytes,
  logTurnBytesMax,
  rawOutputBehindBytesMax,
  rawOutputBytesKept,
  rawOutputBytesMax,
} from "../limits.ts";
import { logTime, type Stream, toRecords } from "./cri.ts";

export interface LogPumpOptions {
  /** The container's folder, with `stdout` and `stderr`. */
  readonly folder: string;
  /** The CRI log to append to. */
  readonly file: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** How much is taken over: a bounded piece, all that is there, or all including a line without an end. */
type Part = "turn" | "all" | "last";

const streams: readonly Stream[] = ["stdout", "stderr"];

export class LogPump {
  readonly file: string;
  readonly #options: LogPumpOptions;
  readonly #offsets: Record<Stream, number> = { stdout: 0, stderr: 0 };
  readonly #listeners = new Set<() => void>();
  #watcher: FSWatcher | undefined;
  #timer: Timer | undefined;
  /** Runs follow one another: each reads from where the one before it stopped. */
  #running: Promise<void> = Promise.resolve();
  #busy = false;
  #again = false;
  #ended = false;
  #closed = false;
  #bytes = 0;

  constructor(options: LogPumpOptions) {
    this.#options = options;
    this.file = options.file;
  }

  /** Nothing more will be appended. */
  get ended(): boolean {
    return this.#ended || this.#closed;
  }

  /** What is asked for before it resolves waits for it. */
  async start(): Promise<void> {
    this.#running = this.#load();
    await this.#running;
    if (this.#closed) return;
    this.#watch();
    this.#wake();
  }

  async #load(): Promise<void> {
    const { folder, file } = this.#options;
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const [offsets, size] = await Promise.all([
      readFile(join(folder, "log-offsets"), "latin1").catch(() => "0 0"),
      stat(file).then(
        (found) => found.size,
        () => 0,
      ),
    ]);
    const [stdout = 0, stderr = 0] = offsets.split(" ").map((text) => Number.parseInt(text, 10) || 0);
    Object.assign(this.#offsets, { stdout, stderr });
    this.#bytes = size;
    if (size === 0) await appendFile(file, "", { mode: 0o600 });
  }

  #watch(): void {
    const { folder } = this.#options;
    try {
      this.#watcher = watch(folder, { persistent: false }, (_event, name) => {
        if (name === "stdout" || name === "stderr") this.#wake();
      });
      this.#watcher.on("error", (error) =>
        this.#options.log.warn({ err: error }, "the output of a container is no longer watched"),
      );
    } catch (error) {
      // Usually the machine's inotify limit; the log is then complete only when somebody reads it, or when the container ends.
      this.#options.log.warn(
        { err: asError(error), folder },
        "the output of a container can't be watched: raise fs.inotify.max_user_watches",
      );
    }
  }

  /** Everything that was written up to now is in the log. */
  async flush(): Promise<void> {
    if (this.ended) return;
    await this.#run("all");
  }

  /** The container has ended: takes over the rest and stops. */
  async end(): Promise<void> {
    if (this.ended) return;
    this.#timer?.cancel();
    await this.#run("last");
    this.#ended = true;
    this.close();
  }

  /** Stops at once; the next pump goes on from here. */
  close(): void {
    this.#closed = true;
    this.#watcher?.close();
    this.#timer?.cancel();
    this.#tell();
  }

  /** Calls `listener` after each growth and at the end. Answers what ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  #wake(): void {
    if (this.#closed) return;
    this.#again = true;
    if (this.#busy || this.#timer !== undefined) return;
    this.#again = false;
    this.#busy = true;
    void this.#run("turn").then(() => {
      this.#busy = false;
      if (this.#closed) return;
      this.#timer = this.#options.clock.timer(
        logPumpIntervalMs,
        () => {
          this.#timer = undefined;
          if (this.#again) this.#wake();
        },
        { background: true },
      );
    });
  }

  #run(part: Part): Promise<void> {
    this.#running = this.#running
      .then(() => this.#takeOver(part))
      .catch((error: unknown) => {
        this.#options.log.warn(
          { err: asError(error), file: this.file },
          "a container's output could not be taken over",
        );
      });
    return this.#running;
  }

  async #takeOver(part: Part): Promise<void> {
    if (this.#closed) return;
    let grown = false;
    for (const stream of streams) grown = (await this.#takeStream(stream, part)) || grown;
    if (!grown) return;
    await writeFile(join(this.#options.folder, "log-offsets"), `${this.#offsets.stdout} ${this.#offsets.stderr}\n`, {
      mode: 0o600,
    });
    this.#tell();
  }

  async #takeStream(stream: Stream, part: Part): Promise<boolean> {
    const path = join(this.#options.folder, stream);
    const size = await stat(path).then(
      (found) => found.size,
      () => 0,
    );
    // Emptied by an earlier daemon right before it died.
    if (size < this.#offsets[stream]) this.#offsets[stream] = 0;
    if (size === this.#offsets[stream]) return false;
    await using source = await open(path, "r");
    // The last words of one that has ended are kept; it writes no more.
    if (part !== "last" && size > rawOutputBytesMax) await this.#drop(stream, size);
    else if (size - this.#offsets[stream] > rawOutputBehindBytesMax) await this.#skip(stream, size);
    const grown = await this.#copy(source, stream, part);
    await this.#empty(path, stream);
    return grown;
  }

  /**
   * Reads on, a piece at a time. The end of the file may run away from it: a container that writes faster than this reads would
   * fill the disk, so the file is looked at now and then, and emptied once it is too large.
   */
  async #copy(source: FileHandle, stream: Stream, part: Part): Promise<boolean> {
    const buffer = Buffer.allocUnsafe(logReadBytes);
    let turn = 0;
    for (let grown = false; ; grown = true) {
      if (this.#closed) return grown;
      if (turn >= logTurnBytesMax) {
        if (part === "turn") {
          this.#again = true;
          return grown;
        }
        const { size } = await source.stat();
        if (part === "all" && size > rawOutputBytesMax) await this.#drop(stream, size);
        turn = 0;
      }
      const { bytesRead } = await source.read(buffer, 0, buffer.length, this.#offsets[stream]);
      if (bytesRead === 0) return grown;
      const final = part === "last" && bytesRead < buffer.length;
      const time = logTime(this.#options.clock.now());
      const { records, used } = toRecords(buffer.subarray(0, bytesRead), stream, time, final);
      if (used === 0) return grown;
      await this.#append(records);
      this.#offsets[stream] += used;
      turn += used;
    }
  }

  async #append(records: Buffer): Promise<void> {
    if (this.#bytes > logFileBytesMax) await this.#rotate();
    await appendFile(this.file, records, { mode: 0o600 });
    this.#bytes += records.length;
  }

  async #rotate(): Promise<void> {
    await rm(`${this.file}.${logFilesKept}`, { force: true });
    for (let index = logFilesKept - 1; index >= 1; index--)
      await rename(`${this.file}.${index}`, `${this.file}.${index + 1}`).catch(() => undefined);
    await rename(this.file, `${this.file}.1`);
    this.#bytes = 0;
  }

  /** The container writes faster than anyone can keep: its oldest output goes, and the log says so. */
  async #skip(stream: Stream, size: number): Promise<void> {
    await this.#tellDropped(stream, size - rawOutputBytesKept - this.#offsets[stream]);
    this.#offsets[stream] = size - rawOutputBytesKept;
  }

  /** All of the file goes, also what is not taken over yet: the disk is worth more than a flood. */
  async #drop(stream: Stream, size: number): Promise<void> {
    await this.#tellDropped(stream, size - this.#offsets[stream]);
    await truncate(join(this.#options.folder, stream), 0);
    this.#offsets[stream] = 0;
  }

  async #tellDropped(stream: Stream, bytes: number): Promise<void> {
    const notice = Buffer.from(
      `[wherry: ${bytes} bytes of ${stream} were dropped, the container wrote faster than its log]\n`,
    );
    await this.#append(toRecords(notice, "stderr", logTime(this.#options.clock.now()), true).records);
  }

  /**
   * Empties the raw file once all of it is taken over. The container appends, so its next write starts at 0. What it writes
   * between the look at the size and the truncation is lost: some microseconds, once a mebibyte; only stopping it would do better.
   */
  async #empty(path: string, stream: Stream): Promise<void> {
    if (this.#offsets[stream] < rawOutputBytesKept) return;
    if ((await stat(path)).size !== this.#offsets[stream]) return;
    await truncate(path, 0);
    this.#offsets[stream] = 0;
  }
}
