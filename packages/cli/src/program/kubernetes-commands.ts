// The commands that give a cluster to kubectl, and show its pods' logs: options, help and examples.
import type { LogsOptions } from "../commands/logs.ts";
import type { CommonOptions } from "../common-options.ts";
import type { CommandKit } from "./kit.ts";

/** `kubeconfig`, `kubectl`, `logs`. */
export function addKubernetesCommands({ command, context, done }: CommandKit): void {
  command("kubeconfig", "print the path of the cluster's kubeconfig", [
    "KUBECONFIG=$(wherry kubeconfig) kubectl get pods -w",
  ]).action(async (options: CommonOptions) => {
    const { kubeconfig } = await import("../commands/kubeconfig.ts");
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
      const { kubectl } = await import("../commands/kubectl.ts");
      done(await kubectl(args, options, context));
    });

  command(
    "logs [target]",
    "logs of pods as one, by time: all replicas, also those that are gone, and the run before a restart",
    [
      "wherry logs                       of every pod of the namespace",
      "wherry logs echo-7c5d8-x2x9v      of one pod",
      "wherry logs echo -f               of a Deployment or a Service: all its replicas, also those still to come",
      "wherry logs deployment/echo       where more than one thing is called so",
      "wherry logs -l app.kubernetes.io/name=echo",
    ],
  )
    .option("-f, --follow", "go on with what comes: those that are gone first, then lines as they come")
    .option("-l, --selector <labels>", "pods with these labels")
    .option("-n, --namespace <namespace>", "of the pods", "default")
    .option(
      "--tail <lines>",
      "only the last lines of each container, as kubectl counts, and none of pods that are gone",
    )
    .action(async (target: string | undefined, options: LogsOptions) => {
      const { logs } = await import("../commands/logs.ts");
      done(await logs(target, options, context));
    });
}
