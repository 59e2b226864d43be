// Who is it? A bearer token: the administrator's, or a service account's whose account and pod still exist.
import { createHash, timingSafeEqual } from "node:crypto";
import type { Lookup } from "./admission/index.ts";
import type { TokenIssuer, TokenSubject } from "./tokens.ts";
import type { User } from "./types.ts";

export interface Authenticator {
  /** @param authorization the header as it came. Undefined: nobody we know (401). */
  authenticate(authorization: string | undefined): Promise<User | undefined>;
}

export interface AuthenticatorOptions {
  /** The bearer token of the kubeconfig, at least 128 random bits. */
  readonly adminToken: string;
  readonly tokens: TokenIssuer;
  /** The API itself. */
  readonly lookup: Lookup;
}

const tokenLengthMin = 22;
const tokenLengthMax = 16 * 1024;
export const admin: User = { name: "wherry-admin", groups: ["system:masters", "system:authenticated"] };

/** @throws RangeError when the token is too short to be a secret. */
export function createAuthenticator({ adminToken, tokens, lookup }: AuthenticatorOptions): Authenticator {
  if (adminToken.length < tokenLengthMin)
    throw new RangeError(`the admin token: expected at least ${tokenLengthMin} characters, got ${adminToken.length}`);
  const expected = digest(adminToken);
  return {
    async authenticate(authorization) {
      if (authorization === undefined || authorization.length > tokenLengthMax) return undefined;
      const token = /^Bearer +([^\s]+) *$/i.exec(authorization)?.[1];
      if (token === undefined) return undefined;
      // Of digests, so that neither the time nor the length says anything about the token.
      if (timingSafeEqual(digest(token), expected)) return admin;
      const subject = await tokens.verify(token);
      return subject !== undefined && exists(subject, lookup) ? userOf(subject) : undefined;
    },
  };
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

function exists({ namespace, account, pod }: TokenSubject, lookup: Lookup): boolean {
  if (lookup.find("serviceaccounts", namespace, account.name)?.metadata.uid !== account.uid) return false;
  return pod === undefined || lookup.find("pods", namespace, pod.name)?.metadata.uid === pod.uid;
}

const userOf = ({ namespace, account }: TokenSubject): User => ({
  name: `system:serviceaccount:${namespace}:${account.name}`,
  uid: account.uid,
  groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"],
});
