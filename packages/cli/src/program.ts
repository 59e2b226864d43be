// Every command with its options, help and examples. What a command does is loaded only when it runs, so that
// `wherry --help` and `wherry probe` stay quick.
import { Command, CommanderError, Option } from "commander";
import type { CallCommandOptions } from "./commands/call.ts";
import type { DeadLettersOptions } from "./commands/dead-letters.ts";
import type { DashboardOptions } from "./commands/dashboard.ts";
import type { DescribeOptions } from "./commands/describe.ts";
import type { DownOptions } from "./commands/down.ts";
import type { InitOptions } from "./commands/init.ts";
import type { ListOptions } from "./commands/list.ts";
import type { KeygenOptions } from "./commands/keygen.ts";
import type { LogsOptions } from "./commands/logs.ts";
import type { ManifestOptions } from "./commands/manifest.ts";
import type { ProbeCommandOptions } from "./commands/probe.ts";
import type { ReplCommandOptions } from "./commands/repl.ts";
import type { StatusOptions } from "./commands/status.ts";
import type { UpOptions } from "./commands/up.ts";
import type { CommonOptions } from "./common-options.ts";
import type { Context } from "./context.ts";
import { curveFlags } from "./curve.ts";
import { exitCodes } from "./errors.ts";
import { closeSuggestions } from "./suggestions.ts";

const times = "500ms, 2s or 1m; a bare number is seconds";

const exitCodeHelp = `
Exit codes:
  0    done
  ${exitCodes.failed}    could not be done: not ready in time, refused by the API, no answer
  ${exitCodes.usage}    unknown command or option, bad value, missing PATH; Node too old
  ${exitCodes.alreadyRunning}    a cluster of that name already runs
  ${exitCodes.notRunning}    no cluster of that name runs
  ${exitCodes.daemonLost}    the daemon died: pods live on, its log says why, "wherry up" adopts them
  ${exitCodes.interrupted}  stopped by a second Ctrl-C; a stream, by the first
  "wherry kubectl" passes kubectl's own exit code on.

State is kept in $WHERRY_HOME (default: $XDG_STATE_HOME/wherry, else ~/.local/state/wherry), one folder a cluster.`;

/** @returns the exit code. @throws CliError, WherryError for what a command refuses. */
export async function runProgram(argv: readonly string[], context: Context): Promise<number> {
  let exitCode = 0;
  const program = buildProgram(context, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(argv, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Help and version are asked for; everything else that commander refuses is a mistake in the command line.
    return error.exitCode === 0 ? 0 : exitCodes.usage;
  }
  return exitCode;
}

function buildProgram(context: Context, done: (exitCode: number) => void): Command {
  const { terminal } = context;
  const program = new Command("wherry");
  const mistake = (text: string, help: string): string =>
    `${closeSuggestions(text)
      .replace(/^error: /, `${terminal.style("red", "wherry:")} `)
      .trimEnd()}\nSee "${help}".`;
  /** One that no cluster is asked of. */
  const plainCommand = (usage: string, summary: string, examples: readonly string[]): Command =>
    program
      .command(usage)
      .summary(summary)
      .description(summary)
      .configureOutput({
        outputError: (text, write) => write(mistake(text, `wherry ${usage.split(" ")[0] ?? ""} --help`)),
      })
      .addHelpText("after", `\nExamples:\n${examples.map((line) => `  ${line}`).join("\n")}`);
  const command = (usage: string, summary: string, examples: readonly string[]): Command =>
    plainCommand(usage, summary, examples).addOption(
      new Option("--name <cluster>", "the cluster").default("default").env("WHERRY_NAME"),
    );
  const output = (...formats: readonly string[]): Option =>
    new Option("-o, --output <format>", "print data instead of a table").choices(formats);

  program
    .description("Run TypeScript services, and any manifests, as real Kubernetes pods on this machine.")
    .configureOutput({
      writeOut: (text) => terminal.raw(text),
      writeErr: (text) => terminal.note(text.trimEnd()),
      outputError: (text, write) => write(mistake(text, "wherry --help")),
    })
    .exitOverride()
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .addHelpText("after", exitCodeHelp)
    .version(context.version, "-V, --version");

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
      const { up } = await import("./commands/up.ts");
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
      const { init } = await import("./commands/init.ts");
      done(init(service, options, context));
    });

  plainCommand("manifest <path...>", 'print the objects that "wherry up" would apply, as YAML', [
    "wherry manifest examples/echo --replicas 3",
    "wherry manifest shop --production --image ghcr.io/acme/shop:1.4.0 | kubectl apply -f -",
  ])
    .option("--replicas <n>", "pods of each service that is given as a file or package")
    .option("--image <image>", "the service's image (default: NAME:dev)")
    .option("--production", "with what a shared cluster wants: security context, resources, a PodDisruptionBudget")
    .action(async (paths: string[], options: ManifestOptions) => {
      const { manifest } = await import("./commands/manifest.ts");
      done(await manifest(paths, options, context));
    });

  command("down", "drain and stop the cluster", [
    'wherry down               its state stays: the next "wherry up" goes on from there',
    "wherry down --purge       and forget all about it",
  ])
    .option("--purge", "remove the cluster's state folder as well")
    .action(async (options: DownOptions) => {
      const { down } = await import("./commands/down.ts");
      done(await down(options, context));
    });

  command("status", "what runs: nodes, pods, services", ["wherry status", "wherry status --output json"])
    .addOption(output("json", "yaml", "name"))
    .action(async (options: StatusOptions) => {
      const { status } = await import("./commands/status.ts");
      done(await status(options, context));
    });

  command("list", "all clusters on this machine", ["wherry list", "wherry list --output json"])
    .addOption(output("json", "yaml", "name"))
    .action(async (options: ListOptions) => {
      const { list } = await import("./commands/list.ts");
      done(await list(options, context));
    });

  const encrypted = (of: Command): Command =>
    Object.values(curveFlags).reduce(
      (known, { flag, env, help }) => known.addOption(new Option(flag, help).env(env)),
      of,
    );

  encrypted(
    command(
      "call <service> <method> [body]",
      "send a request to a service, or open a stream, through discovery and balancing",
      [
        "wherry call echo echo hello",
        "wherry call echo.shop echo '{\"a\":1}' --deadline 2s           a body that is JSON is sent as its value, else as text",
        "wherry call echo echo '[note]' --text                        as text in any case, also where it looks like JSON",
        "wherry call echo echo - < body.json                          - reads the body from stdin; @ means nothing special",
        "wherry call shop pay '{\"amount\":3}' --key order-7             a keyed or durable method: made again, it is not done again",
        "wherry call echo echo hello --count 10000 --concurrency 100  rate and latency percentiles",
        "wherry call shop watch                                       a stream: a line of JSON for each item, until Ctrl-C",
        "wherry call shop upload < items.ndjson                       a stream that takes items: a line of JSON each",
      ],
    ),
  )
    .option("--deadline <time>", `for one request, over all attempts: ${times} (default: 5s; a stream has none)`)
    .option("--key <key>", "idempotency key: made again with the same one, a keyed method does not do it twice")
    .option("--text", "send the body as text, even if it is JSON or begins like it")
    .option("--count <n>", "requests to send", "1")
    .option("--concurrency <n>", "requests outstanding at once", "1")
    .action(async (service: string, method: string, body: string | undefined, options: CallCommandOptions) => {
      const { call } = await import("./commands/call.ts");
      done(await call(service, method, body, options, context));
    });

  encrypted(
    command("describe <service>", "what a service has: methods, topics, types; and how its pods are", [
      "wherry describe echo",
      "wherry describe echo.shop --all            what each pod has done, method by method",
      "wherry describe echo --output json         schemas in full",
      "wherry describe echo --output openapi      its HTTP addresses, as an OpenAPI document",
    ]),
  )
    .option("--all", "every pod, and each method's counts and latencies in it")
    .option("--deadline <time>", `for the answers: ${times}`, "5s")
    .addOption(output("json", "yaml", "openapi"))
    .action(async (service: string, options: DescribeOptions) => {
      const { describe } = await import("./commands/describe.ts");
      done(await describe(service, options, context));
    });

  command("dashboard", "a page with all services: pods, methods, rates, errors; until Ctrl-C", [
    "wherry dashboard                prints its address, which nobody else can guess",
    "wherry dashboard --port 8000    on a port of your choice",
  ])
    .option("--port <port>", "port of 127.0.0.1 (default: any free one)")
    .action(async (options: DashboardOptions) => {
      const { dashboard } = await import("./commands/dashboard.ts");
      done(await dashboard(options, context));
    });

  encrypted(
    command(
      "repl <service>",
      "a prompt with a service's methods in reach; Node's own, so anything else works as well",
      [
        "wherry repl shop                             then: shop.buy({ count: 1 })",
        "echo 'shop.stock()' | wherry repl shop       one line after the other; in scripts, rather wherry call",
      ],
    ),
  )
    .option("--deadline <time>", `of calls that say nothing else: ${times}`, "5s")
    .action(async (service: string, options: ReplCommandOptions) => {
      const { repl } = await import("./commands/repl.ts");
      done(await repl(service, options, context));
    });

  command("dead-letters <service> <method>", "calls of a durable method that nobody runs any more, and why", [
    "wherry dead-letters orders order",
    "wherry dead-letters orders.shop order --output json       with their bodies",
    "wherry dead-letters orders order --redrive 17 18          these are run again, with a count that starts anew",
    "wherry dead-letters orders order --purge --all            all are deleted",
    "wherry dead-letters orders order --broker nats://127.0.0.1:4222",
  ])
    .option("--redrive [id...]", "run them again")
    .option("--purge [id...]", "delete them")
    .option("--all", "all that there are")
    .option("--broker <url>", "where the calls are stored (default: BROKER_URL, else the cluster's file)")
    .option("--limit <n>", "list so many at most", "100")
    .addOption(output("json", "yaml"))
    .action(async (service: string, method: string, options: DeadLettersOptions) => {
      const { deadLetters } = await import("./commands/dead-letters.ts");
      done(await deadLetters(service, method, options, context));
    });

  command("keygen [name]", "a pair of keys for encrypted services", [
    "wherry keygen shop                   writes shop.secret, which nobody else may read, and shop.pub",
    "wherry keygen                        prints both keys",
    "wherry keygen --public-of shop.secret",
  ])
    .option("--public-of <file>", "print the public key that belongs to the secret one in this file")
    .addOption(output("json"))
    .action(async (name: string | undefined, options: KeygenOptions) => {
      const { keygen } = await import("./commands/keygen.ts");
      done(keygen(name, options, context));
    });

  encrypted(
    command("probe <endpoint>", "one in-line request; exit code 0 when it was answered", [
      "wherry probe tcp://127.0.0.1:5555",
      "wherry probe tcp://$(POD_IP):5555 --timeout 500ms      as an exec probe in a manifest",
    ]),
  )
    .option("--timeout <time>", `for the answer: ${times}`, "500ms")
    .option("--raw", "send a plain ZeroMQ request; any answer counts")
    .action(async (endpoint: string, options: ProbeCommandOptions) => {
      const { probe } = await import("./commands/probe.ts");
      done(await probe(endpoint, options, context));
    });

  command("kubeconfig", "print the path of the cluster's kubeconfig", [
    "KUBECONFIG=$(wherry kubeconfig) kubectl get pods -w",
  ]).action(async (options: CommonOptions) => {
    const { kubeconfig } = await import("./commands/kubeconfig.ts");
    done(kubeconfig(options, context));
  });

  command("kubectl [args...]", "kubectl for this cluster; everything after it is kubectl's", [
    "wherry kubectl get pods -o wide",
    "wherry kubectl --name lab get nodes",
    "wherry kubectl help scale",
  ])
    .passThroughOptions()
    .allowUnknownOption()
    .action(async (args: string[], options: CommonOptions) => {
      const { kubectl } = await import("./commands/kubectl.ts");
      done(await kubectl(args, options, context));
    });

  command(
    "logs [target]",
    "logs of pods in one stream: all replicas, also those that are gone, and the run before a restart",
    [
      "wherry logs                       of every pod of the namespace",
      "wherry logs echo-7c5d8-x2x9v      of one pod",
      "wherry logs echo -f               of a Deployment or a Service: all its replicas, also those still to come",
      "wherry logs deployment/echo       where more than one thing is called so",
      "wherry logs -l app.kubernetes.io/name=echo",
    ],
  )
    .option("-f, --follow", "go on with what comes")
    .option("-l, --selector <labels>", "pods with these labels")
    .option("-n, --namespace <namespace>", "of the pods", "default")
    .option("--tail <lines>", "only the last lines of each container, and none of pods that are gone")
    .action(async (target: string | undefined, options: LogsOptions) => {
      const { logs } = await import("./commands/logs.ts");
      done(await logs(target, options, context));
    });
  return program;
}
