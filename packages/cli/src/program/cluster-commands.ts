// The commands that make a cluster, fill it, and show what runs: options, help and examples.
import { Option } from "commander";
import type { DoctorOptions } from "../commands/doctor.ts";
import type { DownOptions } from "../commands/down.ts";
import type { InitOptions } from "../commands/init.ts";
import type { ListOptions } from "../commands/list.ts";
import type { ManifestOptions } from "../commands/manifest.ts";
import type { StatusOptions } from "../commands/status.ts";
import type { UpOptions } from "../commands/up.ts";
import { type CommandKit, times } from "./kit.ts";

/** `up`, `init`, `manifest`, `down`, `status`, `list`, `doctor`. */
export function addClusterCommands({ plainCommand, command, output, context, done }: CommandKit): void {
  command("up [path...]", "start the cluster, apply PATH, wait until all is ready, stream logs", [
    "wherry up examples/echo --replicas 3     a service package, as a Deployment and a Service",
    "wherry up echo.ts                        one service file; one of several services gets a Service for each",
    "wherry up k8s/ --detach                  a folder of manifests; returns when ready",
    "wherry up --nodes 3 --name lab           an empty cluster with three nodes, under another name",
  ])
    .option("--replicas <n>", "pods of each service that is given as a file or package")
    .option("--nodes <n>", "nodes of the cluster that is started (default: as before, at first 1)")
    .option("-d, --detach", 'return when ready; the cluster stays up until "wherry down"')
    .option("--ephemeral", "keep nothing: state is in memory, and gone with the cluster")
    .addOption(
      new Option("--runtime <runtime>", "what runs containers (default: as before, at first process)").choices([
        "process",
        "simulated",
      ]),
    )
    .option("--port <port>", "port of the API server; default: a free one, kept for the cluster")
    .option("--timeout <time>", `how long to wait until all is ready: ${times}`, "60s")
    .action(async (paths: string[], options: UpOptions) => {
      const { up } = await import("../commands/up.ts");
      done(await up(paths, options, context));
    });

  plainCommand("init <service>", "a new service in a folder of its own: program, test, Dockerfile, manifest, CI", [
    "wherry init shop          makes ./shop, and says what to do next",
    "wherry init shop --http   that answers HTTP as well",
    "wherry init shop --from ../wherry/build      with the packages that npm run pack made there",
  ])
    .option("--http", "answer HTTP as well as ZeroMQ")
    .option("--from <folder>", "take Wherry's packages along from there, instead of from a registry")
    .action(async (service: string, options: InitOptions) => {
      const { init } = await import("../commands/init.ts");
      done(init(service, options, context));
    });

  plainCommand("manifest <path...>", 'print the objects that "wherry up" would apply, as YAML', [
    "wherry manifest examples/echo --replicas 3",
    "wherry manifest shop --production --image ghcr.io/acme/shop:1.4.0 | kubectl apply -f -",
    "wherry manifest shop stock --image shop=ghcr.io/acme/shop:1.4.0 --image stock=ghcr.io/acme/stock:2.0.1",
  ])
    .option("--replicas <n>", "pods of each service that is given as a file or package")
    .option(
      "--image <image>",
      "the image of the one program, or, of several, NAME=IMAGE of each (default: NAME:dev)",
      (image: string, before: readonly string[]) => [...before, image],
      [],
    )
    .option("--production", "with what a shared cluster wants: security context, resources, a PodDisruptionBudget")
    .action(async (paths: string[], options: ManifestOptions) => {
      const { manifest } = await import("../commands/manifest.ts");
      done(await manifest(paths, options, context));
    });

  command("down", "drain and stop the cluster", [
    'wherry down               its state stays: the next "wherry up" goes on from there',
    "wherry down --purge       and forget all about it",
  ])
    .option("--purge", "remove the cluster's state folder as well")
    .action(async (options: DownOptions) => {
      const { down } = await import("../commands/down.ts");
      done(await down(options, context));
    });

  command("status", "what runs: nodes, pods, services", ["wherry status", "wherry status --output json"])
    .addOption(output("json", "yaml", "name"))
    .action(async (options: StatusOptions) => {
      const { status } = await import("../commands/status.ts");
      done(await status(options, context));
    });

  command("list", "all clusters on this machine", ["wherry list", "wherry list --output json"])
    .addOption(output("json", "yaml", "name"))
    .action(async (options: ListOptions) => {
      const { list } = await import("../commands/list.ts");
      done(await list(options, context));
    });

  command("doctor", "what is wrong here, and what to do: the machine, the cluster, its pods", [
    "wherry doctor                exit code 1 when something is",
    "wherry doctor --output json",
  ])
    .addOption(output("json", "yaml"))
    .action(async (options: DoctorOptions) => {
      const { doctor } = await import("../commands/doctor.ts");
      done(await doctor(options, context));
    });
}
