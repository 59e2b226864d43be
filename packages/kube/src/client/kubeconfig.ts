// Reads a kubeconfig (https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/) into the options of
// a transport. Never runs a program that the file names, and never puts a secret into an error.
import { readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, dirname, resolve } from "node:path";
import { asError, WherryError } from "@wherry/core";
import type { HttpTransportOptions } from "./http-transport.ts";
import { kubeconfigBytesMax } from "./limits.ts";

export interface KubeconfigContext extends HttpTransportOptions {
  /** The context's name. */
  readonly context: string;
  /** The context's namespace, `default` when it has none. */
  readonly namespace: string;
}

/**
 * @param path when absent: the first file that exists of env's KUBECONFIG, else ~/.kube/config.
 * @param contextName the file's current context when absent.
 * @throws WherryError `KUBE_CONFIG`: no such file, context, cluster or user, or something in it that is not supported (exec
 *         plugins, auth providers), with what to do.
 */
export async function loadKubeconfig(
  path?: string,
  contextName?: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<KubeconfigContext> {
  const found = path ?? (await findKubeconfig(env));
  const file = new Section(found, "the file", await parse(found), dirname(found));
  const name = contextName ?? file.text("current-context");
  if (name === undefined || name === "") throw problem(found, "a current-context, or a context by name", "none");
  const context = file.named("contexts", name, "context");
  const cluster = file.named("clusters", context.required("cluster"), "cluster");
  const userName = context.text("user");
  const user = userName === undefined || userName === "" ? undefined : file.named("users", userName, "user");
  return {
    context: name,
    namespace: context.text("namespace") ?? "default",
    ...(await clusterOptions(cluster)),
    ...(user === undefined ? {} : await userOptions(user)),
  };
}

async function clusterOptions(cluster: Section): Promise<HttpTransportOptions> {
  const ca = await cluster.pem("certificate-authority");
  const tlsServerName = cluster.text("tls-server-name");
  return {
    server: cluster.required("server"),
    ...(ca === undefined ? {} : { ca }),
    ...(tlsServerName === undefined ? {} : { tlsServerName }),
    ...(cluster.flag("insecure-skip-tls-verify") ? { insecureSkipTlsVerify: true } : {}),
  };
}

async function userOptions(user: Section): Promise<Partial<HttpTransportOptions>> {
  for (const unsupported of ["exec", "auth-provider", "username", "password", "as"]) {
    if (user.has(unsupported))
      throw problem(
        user.path,
        "a user with a token or a client certificate",
        `${unsupported} in ${user.what}: make a token, for example with kubectl create token, and a context that uses it`,
      );
  }
  const token = user.text("token");
  const tokenFile = user.file("tokenFile");
  const clientCertificate = await user.pem("client-certificate");
  const clientKey = await user.pem("client-key");
  return {
    ...(token === undefined ? {} : { token }),
    ...(tokenFile === undefined ? {} : { tokenFile }),
    ...(clientCertificate === undefined ? {} : { clientCertificate }),
    ...(clientKey === undefined ? {} : { clientKey }),
  };
}

/** A mapping in the file, with where it stands for error messages. */
class Section {
  readonly path: string;
  readonly what: string;
  readonly #values: Readonly<Record<string, unknown>>;
  /** Relative paths in the file start here. */
  readonly #folder: string;

  constructor(path: string, what: string, values: unknown, folder: string) {
    this.path = path;
    this.what = what;
    this.#folder = folder;
    if (typeof values !== "object" || values === null || Array.isArray(values))
      throw problem(path, `a mapping in ${what}`, values === null ? "nothing" : typeof values);
    this.#values = values as Record<string, unknown>;
  }

  has(key: string): boolean {
    const value = Object.hasOwn(this.#values, key) ? this.#values[key] : undefined;
    return value !== undefined && value !== null && value !== "";
  }

  text(key: string): string | undefined {
    if (!this.has(key)) return undefined;
    const value = this.#values[key];
    if (typeof value === "string") return value;
    throw problem(this.path, `a string for ${key} in ${this.what}`, typeof value);
  }

  required(key: string): string {
    const value = this.text(key);
    if (value !== undefined) return value;
    throw problem(this.path, `${key} in ${this.what}`, "none");
  }

  flag(key: string): boolean {
    return this.has(key) && this.#values[key] === true;
  }

  file(key: string): string | undefined {
    const value = this.text(key);
    return value === undefined ? undefined : resolve(this.#folder, value);
  }

  /** `key-data` in base64, or the file that `key` names. */
  async pem(key: string): Promise<Buffer | undefined> {
    const data = this.text(`${key}-data`);
    if (data !== undefined) return Buffer.from(data, "base64");
    const path = this.file(key);
    if (path === undefined) return undefined;
    return readFile(path).catch((error: unknown) => {
      throw problem(this.path, `${key} of ${this.what} to be readable`, asError(error).message);
    });
  }

  /** The entry of this name in a list of `{ name, <key>: {…} }`. */
  named(list: string, name: string, key: string): Section {
    const entries: unknown = this.#values[list];
    for (const entry of Array.isArray(entries) ? (entries as unknown[]) : []) {
      const one = new Section(this.path, `an entry of ${list}`, entry, this.#folder);
      if (one.text("name") === name)
        return new Section(this.path, `${key} "${name}"`, one.#values[key] ?? {}, this.#folder);
    }
    throw problem(this.path, `"${name}" among its ${list}`, "no such entry");
  }
}

async function findKubeconfig(env: Readonly<Record<string, string | undefined>>): Promise<string> {
  const listed = (env["KUBECONFIG"] ?? "").split(delimiter).filter((path) => path !== "");
  const candidates = listed.length > 0 ? listed : [resolve(env["HOME"] ?? homedir(), ".kube/config")];
  for (const path of candidates) {
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined) return path;
  }
  throw new WherryError(
    `expected a kubeconfig at ${candidates.join(" or ")}, got no such file: start a cluster (wherry up) or set KUBECONFIG`,
    { code: "KUBE_CONFIG" },
  );
}

async function parse(path: string): Promise<unknown> {
  const text = await readFile(path).catch((error: unknown) => {
    const isFolder = (error as NodeJS.ErrnoException).code === "EISDIR";
    throw problem(path, "a readable file", isFolder ? "a folder" : asError(error).message);
  });
  if (text.length > kubeconfigBytesMax) throw problem(path, `at most ${kubeconfigBytesMax} bytes`, `${text.length}`);
  // Loaded here, because a service inside a cluster starts without it.
  const yaml = await import("yaml");
  try {
    return yaml.parse(text.toString("utf8"), { maxAliasCount: 0 }) as unknown;
  } catch (error) {
    // The first line only: the parser's message goes on with an excerpt, which may hold a secret.
    throw problem(path, "valid YAML", asError(error).message.split("\n")[0] ?? "");
  }
}

function problem(path: string, expected: string, got: string): WherryError {
  return new WherryError(`kubeconfig ${path}: expected ${expected}, got ${got}`, { code: "KUBE_CONFIG" });
}
