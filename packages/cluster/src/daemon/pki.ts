// The cluster's keys and certificates: a private CA, the API server's certificate, the key that signs service account
// tokens, and the admin token. ECDSA P-256 throughout. All of it in `pki/`, 0600 in 0700, made once and kept until it is
// about to end; written to files that did not exist, so that no link is followed. Never logged.
import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, sign, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Clock, Random } from "@wherry/core";
import * as der from "./der.ts";
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

interface Issued {
  readonly certificate: string;
  readonly key: string;
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

/** A certificate of RFC 5280 with a new key; signed by itself when there is no signer. */
async function issue(
  subject: { readonly name: string; readonly signer?: Issued; readonly hosts?: readonly string[] },
  env: { readonly clock: Clock; readonly random: Random },
): Promise<Issued> {
  const { publicKey, privateKey } = await newKeyPair("ec", { namedCurve: "P-256" });
  const isCa = subject.signer === undefined;
  const signer = subject.signer === undefined ? privateKey : createPrivateKey(subject.signer.key);
  const nowMs = env.clock.now();
  const body = der.sequence(
    der.explicit(0, der.integer(Buffer.from([2]))),
    der.integer(Buffer.concat([Buffer.from([0x40]), env.random.bytes(15)])),
    ecdsaWithSha256,
    commonName(isCa ? subject.name : "wherry-ca"),
    // From yesterday: the machine's clock may be set back a little.
    der.sequence(der.time(nowMs - dayMs), der.time(nowMs + daemonLimits.certificateDays * dayMs)),
    commonName(subject.name),
    publicKey.export({ type: "spki", format: "der" }),
    der.explicit(3, der.sequence(...extensions(isCa, publicKey, createPublicKey(signer), subject.hosts ?? []))),
  );
  const signature = sign("sha256", body, signer);
  const certificate = der.sequence(body, ecdsaWithSha256, der.bits(signature));
  return { certificate: pem(certificate), key: keyText(privateKey) };
}

const ecdsaWithSha256 = der.sequence(der.oid("1.2.840.10045.4.3.2"));
const commonName = (name: string): der.Der => der.sequence(der.set(der.sequence(der.oid("2.5.4.3"), der.utf8(name))));

function extensions(isCa: boolean, own: KeyObject, signer: KeyObject, hosts: readonly string[]): der.Der[] {
  // keyUsage bits: digitalSignature 0; keyCertSign 5, cRLSign 6 (RFC 5280 §4.2.1.3).
  const usage = isCa ? der.bits(Buffer.from([0x06]), 1) : der.bits(Buffer.from([0x80]), 7);
  const list = [
    extension("2.5.29.19", true, isCa ? der.sequence(der.boolean(true)) : der.sequence()),
    extension("2.5.29.15", true, usage),
    extension("2.5.29.14", false, der.octets(keyIdentifier(own))),
    extension("2.5.29.35", false, der.sequence(der.implicit(0, keyIdentifier(signer)))),
  ];
  if (isCa) return list;
  list.push(extension("2.5.29.37", false, der.sequence(der.oid("1.3.6.1.5.5.7.3.1"))));
  list.push(extension("2.5.29.17", false, der.sequence(...hosts.map(generalName))));
  return list;
}

function extension(id: string, critical: boolean, value: der.Der): der.Der {
  return der.sequence(der.oid(id), ...(critical ? [der.boolean(true)] : []), der.octets(value));
}

/** dNSName [2] or iPAddress [7]; IPv4 only, as the cluster's addresses are. */
function generalName(host: string): der.Der {
  return isIP(host) === 4
    ? der.implicit(7, Buffer.from(host.split(".").map(Number)))
    : der.implicit(2, Buffer.from(host, "ascii"));
}

/** The public point's first 20 bytes after the header are unique to the key, which is all that an identifier must be. */
function keyIdentifier(key: KeyObject): Buffer {
  return key.export({ type: "spki", format: "der" }).subarray(-64, -44);
}

function pem(content: Buffer): string {
  const lines = content.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}
