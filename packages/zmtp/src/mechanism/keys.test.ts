// Keys as options: what is taken, and that no error repeats one.
import "../leftovers.suite.ts";
import { describe, expect, it } from "vitest";
import { allowKeys, curveClient, curveKeyPair, curvePublicKey, curveServer } from "./curve.ts";
import { z85Decode } from "./z85.ts";

describe("keys", () => {
  it("may be text or bytes", () => {
    const { publicKey, secretKey } = curveKeyPair();
    expect(publicKey).toHaveLength(40);
    expect(curvePublicKey(secretKey)).toBe(publicKey);
    expect(curvePublicKey(z85Decode(secretKey))).toBe(publicKey);
    expect(curveClient({ serverKey: z85Decode(publicKey), secretKey: z85Decode(secretKey) }).role).toBe("client");
  });

  const { publicKey, secretKey } = curveKeyPair();
  it.each<[string, () => unknown]>([
    ["a short secret key", () => curveClient({ serverKey: publicKey, secretKey: secretKey.slice(5) })],
    ["a secret key that is no Z85", () => curveClient({ serverKey: publicKey, secretKey: `~${secretKey.slice(1)}` })],
    ["a server key of 31 bytes", () => curveClient({ serverKey: new Uint8Array(31), secretKey })],
    ["a public key of another pair", () => curveClient({ ...curveKeyPair(), secretKey, serverKey: publicKey })],
    ["no secret key", () => curveServer({ authenticate: () => true } as unknown as Parameters<typeof curveServer>[0])],
    ["a server without authenticate", () => curveServer({ secretKey } as unknown as Parameters<typeof curveServer>[0])],
    ["a time limit of nothing", () => curveServer({ secretKey, authenticate: () => true, authenticateTimeoutMs: 0 })],
    ["an allowed key that is none", () => allowKeys([publicKey, "nonsense"])],
  ])("%s: an error with a code, and without the key", (_what, make) => {
    let caught: unknown;
    try {
      make();
    } catch (error) {
      caught = error;
    }
    expect(caught).toMatchObject({ code: "ZMTP_OPTION_INVALID" });
    const text = `${String(caught)} ${JSON.stringify(caught)}`;
    expect(text).not.toContain(secretKey.slice(5, 20));
  });
});
