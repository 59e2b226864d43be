// `wherry manifest`: the objects that `wherry up` would apply, as YAML. Reads files only; asks no cluster.
import { stringify } from "yaml";
import type { Context } from "../context.ts";
import { usageError } from "../errors.ts";
import { cliLimits } from "../limits.ts";
import { planPaths } from "../up/plan.ts";
import { productionObjects } from "../up/production.ts";
import { wholeNumber } from "../values.ts";

export interface ManifestOptions {
  readonly replicas?: string;
  readonly image?: string;
  readonly production?: true;
}

/** A registry with its port, a path in lower case, a tag, a digest. https://pkg.go.dev/github.com/distribution/reference */
const imageForm =
  /^(?:[a-zA-Z0-9.-]+(?::\d+)?\/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*(?::[\w][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/;

/** @throws CliError usage */
export async function manifest(paths: readonly string[], options: ManifestOptions, context: Context): Promise<number> {
  const replicas =
    options.replicas === undefined ? undefined : wholeNumber("--replicas", options.replicas, 0, cliLimits.replicasMax);
  if (options.image !== undefined && !imageForm.test(options.image))
    throw usageError(`--image takes an image's name, as ghcr.io/acme/shop:1.4.0, not ${JSON.stringify(options.image)}`);
  const plan = await planPaths(paths, {
    cwd: context.cwd,
    env: context.env,
    ...(replicas === undefined ? {} : { replicas }),
    ...(options.image === undefined ? {} : { image: options.image }),
  });
  if (options.production === true && plan.files.length === 0)
    throw usageError(
      "--production is for services given as a file or package: manifests say what they need themselves",
    );
  if (options.image !== undefined && plan.files.length > 1)
    throw usageError(
      `--image names the image of one program, and there are ${plan.files.length}; print the manifests of each by itself, with its own --image`,
    );
  const generated = options.production === true ? plan.files.flatMap((file) => productionObjects(file)) : undefined;
  const objects = generated ?? plan.objects.map(({ object }) => object);
  context.terminal.raw(yamlOf(objects));
  return 0;
}

/** Documents in one text, as `kubectl apply -f` takes them. */
export function yamlOf(objects: readonly unknown[]): string {
  return objects.map((object) => stringify(object, { lineWidth: 120, aliasDuplicateObjects: false })).join("---\n");
}
