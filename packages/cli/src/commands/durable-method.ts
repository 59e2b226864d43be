// Whether a queue that the broker doesn't know is one at all: a mistyped service or method must not read as healthy. Asks the cluster and
// the service; that may be gone, and its dead letters are told all the same.
import { connect, ServiceError } from "@wherry/service";
import type { Context } from "../context.ts";
import { curveOf } from "../curve.ts";
import { CliError } from "../errors.ts";
import { cliLimits } from "../limits.ts";
import { describeService, findService, type FoundService, NoSuchService } from "../service-target.ts";

/**
 * @returns why nobody can tell, if so
 * @throws CliError when there is no such service, or it answers and has no such durable method
 */
export async function unknownQueue(
  target: string,
  method: string,
  cluster: string,
  context: Context,
): Promise<string | undefined> {
  try {
    const found = await findService(target, cluster, context);
    if (found.pods.length === 0) return `service "${found.name}" has no pods to ask`;
    await requireDurable(found, method, context);
    return undefined;
  } catch (error) {
    if (error instanceof NoSuchService)
      throw new CliError(
        `${error.message}. The broker holds no calls of ${JSON.stringify(target)} either`,
        error.exitCode,
      );
    if (error instanceof NotDurable || !(error instanceof CliError || ServiceError.is(error))) throw error;
    return error.message;
  }
}

class NotDurable extends CliError {}

async function requireDurable(found: FoundService, method: string, context: Context): Promise<void> {
  const { kube, name, namespace } = found;
  const curve = await curveOf({}, context, found);
  const deadlineMs = cliLimits.durableAskedMs;
  const client = connect(name, { kube, namespace, deadlineMs, name: "wherry-dead-letters", subset: false, ...curve });
  try {
    const { methods } = await describeService(client, name);
    const about = Object.hasOwn(methods, method) ? methods[method] : undefined;
    if (about?.durable !== undefined) return;
    const durable = Object.keys(methods).filter((other) => methods[other]?.durable !== undefined);
    const what = about === undefined ? `has no method "${method}"` : `has a method "${method}" that is not durable`;
    const known = durable.length === 0 ? "It has no durable methods" : `Durable are: ${durable.join(", ")}`;
    throw new NotDurable(`service "${name}" ${what}: only durable methods have dead letters. ${known}`);
  } finally {
    await client.close();
  }
}
