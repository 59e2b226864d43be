// What every runtime promises (types.ts). A runtime that can't do a thing says why, and the test is skipped with that reason.
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../../network/eventually.suite.ts";
import { statOf } from "./supervisor.ts";
import type { Container, ContainerSpec, Runtime } from "./types.ts";

export interface RuntimeSuiteOptions {
  readonly name: string;
  readonly create: () => Runtime;
  /** Why there are no real processes; undefined: there are. */
  readonly withoutProcesses?: string;
}

export function describeRuntime({ name, create, withoutProcesses }: RuntimeSuiteOptions): void {
  const real = withoutProcesses === undefined;
  const reason = real ? "" : ` (skipped: ${withoutProcesses})`;

  describe(`runtime ${name}`, () => {
    let root: string;
    let runtime: Runtime;
    const containers: Container[] = [];
    let count = 0;

    beforeEach(async () => {
      root = await mkdtemp(join(tmpdir(), "wherry-runtime-"));
      runtime = create();
    });
    afterEach(async () => {
      for (const container of containers.splice(0)) {
        container.killAll();
        await container.exited;
      }
      await rm(root, { recursive: true, force: true });
    });

    async function specOf(argv: readonly string[], more?: Partial<ContainerSpec>): Promise<ContainerSpec> {
      const folder = join(root, String(count++));
      await mkdir(folder, { recursive: true });
      return {
        id: `${root}/main/${count}`,
        folder,
        argv,
        env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin" },
        workingDir: root,
        podIP: "127.0.0.1",
        ...more,
      };
    }

    async function start(argv: readonly string[], more?: Partial<ContainerSpec>): Promise<Container> {
      const container = await runtime.start(await specOf(argv, more));
      containers.push(container);
      return container;
    }

    it.skipIf(!real)(`ends also one that has stopped its whole group, and so its supervisor${reason}`, async () => {
      const spec = await specOf(["sh", "-c", "kill -STOP 0; sleep 60"]);
      const own = await runtime.start(spec);
      const pid = own.state.phase === "running" ? own.state.pid : 0;
      await eventually(() => statOf(pid)?.state).toBe("T");
      const adopted = await runtime.adopt(spec.id, spec.folder);
      expect(adopted?.state.phase).toBe("running");
      for (const container of [adopted, own]) container?.killAll();
      expect(await own.exited).toMatchObject({ exitCode: 137 });
      expect(await adopted?.exited).toMatchObject({ exitCode: 137 });
    });

    it("runs until it is stopped, and says how it ended", async () => {
      const container = await start(["sleep", "60"]);
      expect(container.state.phase).toBe("running");
      container.signal("SIGTERM");
      expect(await container.exited).toMatchObject({ phase: "exited", exitCode: 143, known: true });
      expect(container.state.phase).toBe("exited");
      container.signal("SIGTERM");
      container.killAll();
    });

    it("ends at once when killed: exit code 137", async () => {
      const container = await start(["sleep", "60"]);
      container.killAll();
      expect(await container.exited).toMatchObject({ exitCode: 137, known: true });
    });

    it("adopts what runs in a folder, and stops it", async () => {
      const spec = await specOf(["sleep", "60"]);
      const first = await runtime.start(spec);
      containers.push(first);
      const adopted = await create().adopt(spec.id, spec.folder);
      if (adopted === undefined) throw new Error("nothing was adopted");
      containers.push(adopted);
      expect(adopted.state).toMatchObject({
        phase: "running",
        pid: first.state.phase === "running" ? first.state.pid : -1,
      });
      adopted.signal("SIGTERM");
      expect((await adopted.exited).exitCode).toBe(143);
    });

    it("runs a command beside the container", async () => {
      const result = await runtime.exec(await specOf(["sleep", "60"]), ["true"], 60_000);
      expect(result).toMatchObject({ exitCode: 0, timedOut: false });
    });

    it.skipIf(real)("ends by itself when it is told to", async () => {
      const container = await start(["none"], { simulate: { exitCode: 3, afterMs: 0 } });
      expect((await container.exited).exitCode).toBe(3);
    });

    describe.runIf(real)(`with real processes${reason}`, () => {
      it("passes arguments and environment literally, never through a shell", async () => {
        const odd = ["$HOME", "`id`", "a; b", "two\nlines", "'\"\\", "", "*", "$(id)", "–"];
        const container = await start(
          [
            process.execPath,
            "-e",
            "console.log(JSON.stringify([process.argv.slice(1), process.env['A.b'], process.env.C, Object.keys(process.env).length]))",
            "--",
            ...odd,
          ],
          { env: { PATH: "/usr/bin:/bin", "A.b": "dot $HOME", C: "`c`" } },
        );
        expect(await container.exited).toMatchObject({ exitCode: 0 });
        const [argv, dotted, c, names] = JSON.parse(
          await readFile(container.output?.stdout ?? "", "utf8"),
        ) as unknown[];
        expect({ argv, dotted, c }).toEqual({ argv: odd, dotted: "dot $HOME", c: "`c`" });
        // PATH, A.b, C, the mark, and PWD, which the shell adds: nothing of this process' own environment.
        expect(names).toBe(5);
      });

      it("keeps output and exit code of what ended before anybody looked", async () => {
        const spec = await specOf(["sh", "-c", "echo out; echo err >&2; exit 7"]);
        const container = await runtime.start(spec);
        await container.exited;
        const adopted = await create().adopt(spec.id, spec.folder);
        expect(await adopted?.exited).toMatchObject({ exitCode: 7, known: true });
        expect(await readFile(join(spec.folder, "stdout"), "utf8")).toBe("out\n");
        expect(await readFile(join(spec.folder, "stderr"), "utf8")).toBe("err\n");
      });

      it.each([
        ["a program that does not exist", ["/nowhere/program"], undefined, 127, /does not exist/],
        ["a program that is not in PATH", ["no-such-program-here"], undefined, 127, /not in PATH/],
        ["a file that is not executable", ["/etc/passwd"], undefined, 126, /not executable/],
        ["a folder that does not exist", ["true"], "/nowhere", 127, /working directory/],
        ["an argument with NUL", ["true", "a\0b"], undefined, 128, /./],
      ])("refuses %s with what to do", async (_what, argv, workingDir, exitCode, message) => {
        const spec = await specOf(argv, workingDir === undefined ? {} : { workingDir });
        await expect(runtime.start(spec)).rejects.toMatchObject({
          code: "RUNTIME_START_FAILED",
          details: { exitCode },
          message: expect.stringMatching(message) as string,
        });
      });

      it("leaves nothing of the container behind: neither its group nor what left the group", async () => {
        const script =
          "sleep 300 & echo $!; setsid sleep 301 & echo $!; (setsid sh -c 'echo $$; exec sleep 302' &) ; sleep 0.2; exit 0";
        const container = await start(["sh", "-c", script]);
        await container.exited;
        const pids = (await readFile(container.output?.stdout ?? "", "utf8")).trim().split("\n").map(Number);
        expect(pids).toHaveLength(3);
        await eventually(() => pids.filter(isRunning)).toEqual([]);
      });

      it("has the umask of a container, not the daemon's", async () => {
        const before = process.umask(0o077);
        try {
          const container = await start(["sh", "-c", "umask"]);
          await container.exited;
          expect(await readFile(container.output?.stdout ?? "", "utf8")).toBe("0022\n");
        } finally {
          process.umask(before);
        }
      });

      it("records 137 when somebody kills the process itself", async () => {
        const container = await start(["sleep", "60"]);
        if (container.state.phase !== "running") throw new Error("not running");
        process.kill(container.state.pid, "SIGKILL");
        expect(await container.exited).toMatchObject({ exitCode: 137, known: true });
      });

      it("survives a container that signals its whole group", async () => {
        const container = await start(["sh", "-c", "trap 'exit 5' TERM; kill -TERM 0; sleep 5"]);
        expect(await container.exited).toMatchObject({ exitCode: 5, known: true });
      });

      it("does not start SIGINT ignored", async () => {
        const container = await start(["sleep", "60"]);
        container.signal("SIGINT");
        expect(await container.exited).toMatchObject({ exitCode: 130 });
      });

      it("guesses, and says so, when the supervisor itself was killed; the container does not stay", async () => {
        const container = await start(["sleep", "60"]);
        if (container.state.phase !== "running") throw new Error("not running");
        const { pid } = container.state;
        const parent = Number((await readFile(`/proc/${pid}/stat`, "latin1")).split(") ")[1]?.split(" ")[1]);
        process.kill(parent, "SIGKILL");
        expect(await container.exited).toMatchObject({ exitCode: 137, known: false });
        await eventually(() => isRunning(pid)).toBe(false);
      });

      it("adopts nothing when there is nothing, and never signals a reused pid", async () => {
        const spec = await specOf(["sleep", "60"]);
        expect(await runtime.adopt(spec.id, spec.folder)).toBeUndefined();
        const { writeFile } = await import("node:fs/promises");
        const boot = (await readFile("/proc/sys/kernel/random/boot_id", "latin1")).trim();
        // This test's own pid with another start time: a process that reused the pid.
        const line = (await readFile("/proc/self/stat", "latin1")).trim().split(" ");
        line[21] = "1";
        await writeFile(join(spec.folder, "process"), `${boot}\n${line.join(" ")}\n${line.join(" ")}\n`);
        const adopted = await runtime.adopt(spec.id, spec.folder);
        adopted?.killAll();
        expect(await adopted?.exited).toMatchObject({ exitCode: 137, known: false });
      });

      it("ends a command that takes too long, with all it started", async () => {
        const result = await runtime.exec(await specOf(["true"]), ["sh", "-c", "sleep 300 & echo $!; wait"], 300);
        expect(result.timedOut).toBe(true);
        await eventually(() => isRunning(Number(result.output))).toBe(false);
      });

      it("cuts a command's output", async () => {
        const result = await runtime.exec(await specOf(["true"]), ["head", "-c", "100000", "/dev/zero"], 60_000);
        expect(result.output).toHaveLength(10 * 1024);
      });
    });
  });
}

/** A zombie, which only waits to be read by its parent, runs no more. */
function isRunning(pid: number): boolean {
  const state = statOf(pid)?.state;
  return state !== undefined && state !== "Z" && state !== "X";
}
