// `wherry doctor`: what is wrong here, and what to do. Looks at the machine and at the cluster, if one runs; changes nothing.
import { accessSync, constants, existsSync, readFileSync, statfsSync } from "node:fs";
import { createServer } from "node:net";
import { wherryHome } from "@wherry/cluster/state";
import { WherryError } from "@wherry/core";
import { resources } from "@wherry/kube";
import { answerOf, connectApi } from "../client.ts";
import type { CommonOptions } from "../common-options.ts";
import type { Context } from "../context.ts";
import { requireDaemon } from "../daemon-process.ts";
import { checkMachine, type Finding, type Machine } from "../doctor/checks.ts";
import { CliError, exitCodes } from "../errors.ts";
import { cliLimits } from "../limits.ts";
import { type OutputFormat, printData } from "../output.ts";
import { table } from "../terminal.ts";
import { troubles } from "../up/readiness.ts";
import { findKubectl } from "./kubectl.ts";

export interface DoctorOptions extends CommonOptions {
  readonly output?: Exclude<OutputFormat, "name">;
}

/** @returns 1 when anything is wrong */
export async function doctor(options: DoctorOptions, context: Context): Promise<number> {
  const findings = [...(await checkMachine(machineOf(context))), ...(await checkCluster(options.name, context))];
  const { terminal } = context;
  if (options.output !== undefined) await printData(findings, [], options.output, terminal);
  else {
    const marks = { ok: "✓", note: "!", bad: "✗" } as const;
    const styles = { ok: "green", note: "yellow", bad: "red" } as const;
    const lines = table(findings.map(({ name, state, said }) => [marks[state], name, said]));
    for (const [index, line] of lines.entries()) {
      const { state } = findings[index] as Finding;
      terminal.out(terminal.style(styles[state], terminal.clean(line.slice(0, 1))) + terminal.clean(line.slice(1)));
    }
  }
  return findings.some(({ state }) => state === "bad") ? exitCodes.failed : 0;
}

function machineOf({ env }: Context): Machine {
  return {
    nodeVersion: process.versions.node,
    nodePath: process.execPath,
    home: wherryHome(env),
    exists: existsSync,
    isWritable(path) {
      try {
        accessSync(path, constants.W_OK | constants.X_OK);
        return true;
      } catch {
        return false;
      }
    },
    freeBytes(path) {
      const { bavail, bsize } = statfsSync(path);
      return bavail * bsize;
    },
    readText(path) {
      try {
        return readFileSync(path, "utf8");
      } catch {
        return undefined;
      }
    },
    listenProblem: (host) =>
      new Promise((resolve) => {
        const server = createServer();
        server.once("error", (error: NodeJS.ErrnoException) => {
          resolve(error.code ?? error.message);
        });
        server.listen(0, host, () => {
          server.close(() => {
            resolve(undefined);
          });
        });
      }),
    kubectl: () => findKubectl(env),
  };
}

/** That it runs, answers, and that its pods are well. */
async function checkCluster(name: string, context: Context): Promise<readonly Finding[]> {
  try {
    const daemon = requireDaemon(name, context);
    const { client } = connectApi(daemon.paths, daemon.info);
    const { items } = await answerOf(daemon, context.clock, (signal) => client.list(resources.pods, { signal }));
    const found = troubles(items);
    const ill = new Set(found.map(({ pod }) => pod.metadata.uid));
    const running: Finding = { name: "cluster", state: "ok", said: `"${name}" answers (pid ${daemon.info.pid})` };
    const shown = found.slice(0, cliLimits.podReasonsMax).map(
      ({ pod, reason, message }): Finding => ({
        name: "pod",
        state: "bad",
        said: `${pod.metadata.namespace ?? ""}/${pod.metadata.name}: ${reason}: ${message}`.replace(/: $/, ""),
      }),
    );
    if (ill.size > 0) return [running, ...shown];
    return [running, { name: "pods", state: "ok", said: `${items.length}, none of them in trouble` }];
  } catch (error) {
    if (error instanceof CliError && error.exitCode === exitCodes.notRunning)
      return [{ name: "cluster", state: "note", said: error.message }];
    if (error instanceof CliError || WherryError.is(error))
      return [{ name: "cluster", state: "bad", said: error.message }];
    throw error;
  }
}
