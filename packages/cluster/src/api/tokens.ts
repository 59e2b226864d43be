// Service account tokens: JWTs signed with the cluster's own key (ES256), as kube-apiserver's TokenRequest makes them
// (k8s: pkg/serviceaccount/claims.go). Says what a token claims; whether the account still exists is the authenticator's.
import type { Clock, Random } from "@wherry/core";
import { calculateJwkThumbprint, exportJWK, importPKCS8, jwtVerify, SignJWT } from "jose";
import { createPublicKey } from "node:crypto";

const algorithm = "ES256";

const defaultIssuer = "https://kubernetes.default.svc.cluster.local";

export interface TokenSubject {
  readonly namespace: string;
  readonly account: { readonly name: string; readonly uid: string };
  /** The token dies with this pod. */
  readonly pod?: { readonly name: string; readonly uid: string };
}

interface IssuedToken {
  readonly token: string;
  readonly expiresMs: number;
}

export interface TokenIssuer {
  readonly issuer: string;
  /** @param audiences empty: the API server itself. */
  issue(subject: TokenSubject, audiences: readonly string[], seconds: number): Promise<IssuedToken>;
  /** Undefined when it is not one of ours, was changed, is expired, or is not for this API server. */
  verify(token: string): Promise<TokenSubject | undefined>;
  /** The public key, for `/openid/v1/jwks`. */
  readonly keys: object;
}

export interface TokenOptions {
  /** PKCS #8 PEM of a P-256 private key. */
  readonly privateKey: string;
  readonly issuer?: string;
  readonly clock: Clock;
  readonly random: Random;
}

/** @throws Error when the key is not a P-256 private key in PKCS #8 PEM. */
export async function createTokens(options: TokenOptions): Promise<TokenIssuer> {
  const { clock, random, issuer = defaultIssuer } = options;
  const key = await importPKCS8(options.privateKey, algorithm);
  const publicKey = createPublicKey(options.privateKey);
  const jwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(jwk);

  const issue = async (subject: TokenSubject, audiences: readonly string[], seconds: number): Promise<IssuedToken> => {
    const nowSeconds = Math.floor(clock.now() / 1000);
    const expires = nowSeconds + seconds;
    const { namespace, account, pod } = subject;
    const claim = { namespace, serviceaccount: account, ...(pod !== undefined && { pod }) };
    const token = await new SignJWT({ "kubernetes.io": claim })
      .setProtectedHeader({ alg: algorithm, kid })
      .setIssuer(issuer)
      .setSubject(`system:serviceaccount:${namespace}:${account.name}`)
      .setAudience(audiences.length === 0 ? [issuer] : [...audiences])
      .setIssuedAt(nowSeconds)
      .setNotBefore(nowSeconds)
      .setExpirationTime(expires)
      .setJti(random.uuid())
      .sign(key);
    return { token, expiresMs: expires * 1000 };
  };

  const verify = async (token: string): Promise<TokenSubject | undefined> => {
    try {
      const { payload } = await jwtVerify(token, publicKey, {
        issuer,
        audience: issuer,
        algorithms: [algorithm],
        currentDate: new Date(clock.now()),
      });
      return subjectOf(payload["kubernetes.io"]);
    } catch {
      return undefined;
    }
  };

  return { issuer, issue, verify, keys: { keys: [{ ...jwk, kid, alg: algorithm, use: "sig" }] } };
}

/** Only what this file signs comes here, but a claim is checked all the same. */
function subjectOf(claim: unknown): TokenSubject | undefined {
  if (typeof claim !== "object" || claim === null) return undefined;
  const { namespace, serviceaccount, pod } = claim as Record<string, unknown>;
  const account = named(serviceaccount);
  if (typeof namespace !== "string" || account === undefined) return undefined;
  const boundPod = named(pod);
  return { namespace, account, ...(boundPod !== undefined && { pod: boundPod }) };
}

function named(value: unknown): { readonly name: string; readonly uid: string } | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { name, uid } = value as Record<string, unknown>;
  return typeof name === "string" && typeof uid === "string" ? { name, uid } : undefined;
}
