// `wherry manifest`: the objects that `wherry up` would apply, as YAML. Reads files only; asks no cluster.
import { stringify } from "yaml";
import type { Context } from "../context.ts";
import { usageError } from "../errors.ts";
import { cliLimits } from "../limits.ts";
import { ImageOptions } from "../up/image-options.ts";
import { planPaths } from "../up/plan.ts";
import { productionObjects } from "../up/production.ts";
import { wholeNumber } from "../values.ts";

export interface ManifestOptions {
  readonly replicas?: string;
  /** `IMAGE` of the only program, or `NAME=IMAGE` of each. */
  readonly image: readonly string[];
  readonly production?: true;
}

/** @throws CliError usage */
export async function manifest(paths: readonly string[], options: ManifestOptions, context: Context): Promise<number> {
  const replicas =
    options.replicas === undefined ? undefined : wholeNumber("--replicas", options.replicas, 0, cliLimits.replicasMax);
  const images = new ImageOptions(options.image);
  const plan = await planPaths(paths, {
    cwd: context.cwd,
    env: context.env,
    ...(replicas === undefined ? {} : { replicas }),
    imageOf: images.of,
  });
  if (options.production === true && plan.files.length === 0)
    throw usageError(
      "--production is for services given as a file or package: manifests say what they need themselves",
    );
  images.check(plan.files.map(({ name }) => name));
  const generated = options.production === true ? plan.files.flatMap((file) => productionObjects(file)) : undefined;
  const objects = generated ?? plan.objects.map(({ object }) => object);
  context.terminal.raw(yamlOf(objects));
  return 0;
}

/** Documents in one text, as `kubectl apply -f` takes them. */
export function yamlOf(objects: readonly unknown[]): string {
  return objects.map((object) => stringify(object, { lineWidth: 120, aliasDuplicateObjects: false })).join("---\n");
}
