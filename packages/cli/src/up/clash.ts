// Would an `up` take the name of a service from the program that runs it? Its clients would be led to another one, which nobody asked for.
// Reads; changes nothing.
import { resources } from "@wherry/kube";
import type { KubeClient } from "@wherry/kube/client";
import type { Service, Stored } from "@wherry/kube/types";
import { CliError, nameOption } from "../errors.ts";
import { programOf, servicesOf, type ServiceFile } from "./service-file.ts";

/** @throws CliError when another program, which is there, runs a service of that name */
export async function refuseClashes(client: KubeClient, files: readonly ServiceFile[], cluster: string): Promise<void> {
  if (files.length === 0) return;
  const services = (await client.list(resources.services, { namespace: "default" })).items;
  const taken = files.flatMap((file) => servicesOf(file).flatMap((name) => takenFrom(services, name, file)));
  if (taken.length === 0) return;
  const deployments = (await client.list(resources.deployments, { namespace: "default" })).items;
  const clash = taken.find(({ owner }) => deployments.some(({ metadata }) => metadata.name === owner));
  if (clash === undefined) return;
  const { name, owner, file } = clash;
  throw new CliError(
    `service "${name}" is run by "${owner}", and "${file.name}" would take its name: give one of them another name, or, if "${file.name}" is to replace it: wherry kubectl${nameOption(cluster)} delete deployment ${owner}`,
  );
}

interface Taken {
  readonly name: string;
  /** The program that runs it now. */
  readonly owner: string;
  readonly file: ServiceFile;
}

function takenFrom(services: readonly Stored<Service>[], name: string, file: ServiceFile): readonly Taken[] {
  const live = services.find(({ metadata }) => metadata.name === name);
  const owner = live === undefined ? undefined : programOf(live);
  return owner === undefined || owner === file.name ? [] : [{ name, owner, file }];
}
