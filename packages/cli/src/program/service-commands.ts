// The commands that talk to services: options, help and examples.
import type { CallCommandOptions } from "../commands/call.ts";
import type { DeadLettersOptions } from "../commands/dead-letters.ts";
import type { DashboardOptions } from "../commands/dashboard.ts";
import type { DescribeOptions } from "../commands/describe.ts";
import type { KeygenOptions } from "../commands/keygen.ts";
import type { ProbeCommandOptions } from "../commands/probe.ts";
import type { ReplCommandOptions } from "../commands/repl.ts";
import { type CommandKit, times } from "./kit.ts";

/** `call`, `describe`, `dashboard`, `repl`, `dead-letters`, `keygen`, `probe`. */
export function addServiceCommands({ command, encrypted, output, context, done }: CommandKit): void {
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
      const { call } = await import("../commands/call.ts");
      done(await call(service, method, body, options, context));
    });

  encrypted(
    command("describe <service>", "what a service has: methods, topics, types, errors; and how its pods are", [
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
      const { describe } = await import("../commands/describe.ts");
      done(await describe(service, options, context));
    });

  command("dashboard", "a page with all services: pods, methods, rates, errors; until Ctrl-C", [
    "wherry dashboard                prints its address, which nobody else can guess",
    "wherry dashboard --port 8000    on a port of your choice",
  ])
    .option("--port <port>", "port of 127.0.0.1 (default: any free one)")
    .action(async (options: DashboardOptions) => {
      const { dashboard } = await import("../commands/dashboard.ts");
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
      const { repl } = await import("../commands/repl.ts");
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
      const { deadLetters } = await import("../commands/dead-letters.ts");
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
      const { keygen } = await import("../commands/keygen.ts");
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
      const { probe } = await import("../commands/probe.ts");
      done(await probe(endpoint, options, context));
    });
}
