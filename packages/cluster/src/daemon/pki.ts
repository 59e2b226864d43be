// The cluster's keys and certificates: a private CA, the API server's certificate, the key that signs service account
// tokens, and the admin token. ECDSA P-256 throughout. All of it in `pki/`, 0600 in 0700, made once and kept until it is
// about to end; written to files that did not exist, so that no link is followed. Never logged.
import { createPrivateKey, generateKeyPair, type KeyObject, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Clock, Random } from "@wherry/core";
import type { Issued, Subject } from "./certificates.ts";
import { daemonLimits } from "./limits.ts";
import { readStateFile, writeFileAtomic } from "./state.ts";

export interface Pki {
  /** PEM: what clients trust. */
  readonly caCertificate: string;
  /** PEM, for the HTTPS listener. */
  readonly serverCertificate: string;
  readonly serverKey: string;
  /** PEM PKCS#8, ES256: signs service account tokens. */
  readonly serviceAccountKey: string;
  /** The bearer token of `system:masters`; URL-safe, ≥ 256 bits. */
  readonly adminToken: string;
}

const dayMs = 86_400_000;
const newKeyPair = promisify(generateKeyPair);

/**
 * What is in `folder`, with what is missing, damaged, about to end or not valid for `hosts` made anew.
 * @param hosts DNS names and IP addresses that the API server is reached by
 */
export async function loadPki(
  folder: string,
  hosts: readonly string[],
  env: { readonly clock: Clock; readonly random: Random },
): Promise<Pki> {
  const validAt = env.clock.now() + daemonLimits.certificateRenewDays * dayMs;
  const oldCa = readPair(folder, "ca");
  const ca =
    oldCa !== undefined && isValid(oldCa, oldCa, [], validAt) ? oldCa : await issue({ name: "wherry-ca" }, env);
  const oldServer = readPair(folder, "server");
  const server =
    oldServer !== undefined && isValid(oldServer, ca, hosts, validAt)
      ? oldServer
      : await issue({ name: "wherry-apiserver", signer: ca, hosts }, env);
  if (ca !== oldCa) writePair(folder, "ca", ca);
  if (server !== oldServer) writePair(folder, "server", server);
  return {
    caCertificate: ca.certificate,
    serverCertificate: server.certificate,
    serverKey: server.key,
    serviceAccountKey: await keep(join(folder, "service-account.key"), isPrivateKey, newKeyText),
    adminToken: await keep(join(folder, "admin.token"), isToken, () =>
      Promise.resolve(Buffer.from(env.random.bytes(daemonLimits.adminTokenBytes)).toString("base64url")),
    ),
  };
}

const isToken = (text: string): boolean => /^[\w-]{43,}$/.test(text);

function isPrivateKey(text: string): boolean {
  try {
    return createPrivateKey(text).asymmetricKeyType === "ec";
  } catch {
    return false;
  }
}

async function newKeyText(): Promise<string> {
  return keyText((await newKeyPair("ec", { namedCurve: "P-256" })).privateKey);
}

const keyText = (key: KeyObject): string => key.export({ type: "pkcs8", format: "pem" }) as string;

async function keep(path: string, usable: (text: string) => boolean, make: () => Promise<string>): Promise<string> {
  const text = readStateFile(path);
  if (text !== undefined && usable(text)) return text;
  const made = await make();
  writeFileAtomic(path, made);
  return made;
}

function readPair(folder: string, name: string): Issued | undefined {
  const certificate = readStateFile(join(folder, `${name}.crt`));
  const key = readStateFile(join(folder, `${name}.key`));
  return certificate === undefined || key === undefined ? undefined : { certificate, key };
}

function writePair(folder: string, name: string, pair: Issued): void {
  writeFileAtomic(join(folder, `${name}.key`), pair.key);
  writeFileAtomic(join(folder, `${name}.crt`), pair.certificate);
}

function isValid(pair: Issued, ca: Issued, hosts: readonly string[], atMs: number): boolean {
  try {
    const certificate = new X509Certificate(pair.certificate);
    return (
      certificate.validToDate.getTime() > atMs &&
      certificate.checkPrivateKey(createPrivateKey(pair.key)) &&
      certificate.verify(new X509Certificate(ca.certificate).publicKey) &&
      hosts.every((host) => (isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host)) !== undefined)
    );
  } catch {
    return false;
  }
}

/** Loaded only when there is something to issue: the library takes longer to load than all else of a start's key work. */
async function issue(subject: Subject, env: { readonly clock: Clock }): Promise<Issued> {
  const { issueCertificate } = await import("./certificates.ts");
  return issueCertificate(subject, env.clock.now());
}
