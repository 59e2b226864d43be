// Issues the cluster's certificates (RFC 5280) with @peculiar/x509. It keeps no file and reads none: pki.ts does.
import "reflect-metadata";
import { createPrivateKey, webcrypto } from "node:crypto";
import { isIP } from "node:net";
import * as x509 from "@peculiar/x509";
import { daemonLimits } from "./limits.ts";

export interface Issued {
  /** PEM. */
  readonly certificate: string;
  /** PEM PKCS#8. */
  readonly key: string;
}

export interface Subject {
  /** The common name. */
  readonly name: string;
  /** Absent: it signs itself, and is a CA. */
  readonly signer?: Issued;
  /** DNS names and IP addresses of a server. */
  readonly hosts?: readonly string[];
}

const dayMs = 86_400_000;
const ecdsa = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** A certificate with a new key, valid from yesterday: the machine's clock may be set back a little. */
export async function issueCertificate(subject: Subject, nowMs: number): Promise<Issued> {
  const { publicKey, privateKey } = await webcrypto.subtle.generateKey(ecdsa, true, ["sign", "verify"]);
  const { signer } = subject;
  const certificate = await x509.X509CertificateGenerator.create({
    subject: `CN=${subject.name}`,
    issuer: signer === undefined ? `CN=${subject.name}` : new x509.X509Certificate(signer.certificate).subject,
    notBefore: new Date(nowMs - dayMs),
    notAfter: new Date(nowMs + daemonLimits.certificateDays * dayMs),
    signingAlgorithm: ecdsa,
    publicKey,
    signingKey: signer === undefined ? privateKey : await signingKey(signer.key),
    extensions: signer === undefined ? authority() : server(subject.hosts ?? []),
  });
  const key = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", privateKey));
  return {
    certificate: `${certificate.toString("pem")}\n`,
    key: createPrivateKey({ key, format: "der", type: "pkcs8" }).export({ type: "pkcs8", format: "pem" }) as string,
  };
}

function signingKey(pem: string): Promise<webcrypto.CryptoKey> {
  const der = createPrivateKey(pem).export({ type: "pkcs8", format: "der" });
  return webcrypto.subtle.importKey("pkcs8", der, ecdsa, false, ["sign"]);
}

function authority(): x509.Extension[] {
  const usage = (x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign) as x509.KeyUsageFlags;
  return [new x509.BasicConstraintsExtension(true, undefined, true), new x509.KeyUsagesExtension(usage, true)];
}

function server(hosts: readonly string[]): x509.Extension[] {
  const names = hosts.map((host) => ({ type: isIP(host) === 0 ? ("dns" as const) : ("ip" as const), value: host }));
  return [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
    new x509.SubjectAlternativeNameExtension(names),
  ];
}
