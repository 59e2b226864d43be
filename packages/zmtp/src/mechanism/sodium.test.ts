// The library's results against published ones (RFC 7748 §6.1; "Cryptography in NaCl" §10) and against Node's own X25519.
import "../leftovers.suite.ts";
import { createPrivateKey, createPublicKey, randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { limits } from "../limits.ts";
import { macBytes, makeKeyPair, open, openFrame, publicKeyOf, seal, sealFrame, sharedKey } from "./sodium.ts";

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ""), "hex");

const alice = {
  secretKey: hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"),
  publicKey: hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"),
};
const bobPublicKey = hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
const nonce = hex("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37");
const plain =
  hex(`be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01
  233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c
  60902e52f0a089bc76897040e082f937763848645e0705`);
const sealed =
  hex(`f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c
  98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732b
  c0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5`);

describe("box", () => {
  it("makes the public key that belongs to a secret one", () => {
    expect(publicKeyOf(alice.secretKey)).toEqual(alice.publicKey);
  });

  it("seals and opens as published", () => {
    const key = sharedKey(bobPublicKey, alice.secretKey);
    if (key === undefined) throw new Error("no shared key");
    expect(seal(key, nonce, plain)).toEqual(sealed);
    expect(open(key, nonce, sealed)).toEqual(plain);
  });

  it("makes frames that are the same boxes, in place and without a copy", () => {
    const key = sharedKey(bobPublicKey, alice.secretKey) ?? Buffer.alloc(0);
    const prefix = nonce.subarray(0, 16);
    const high = nonce.readUInt32BE(16) >>> 12; // a counter that a number holds
    const low = nonce.readUInt32BE(20);
    const counter = high * 2 ** 32 + low;
    const wholeNonce = Buffer.concat([prefix, Buffer.alloc(8)]);
    wholeNonce.writeUInt32BE(high, 16);
    wholeNonce.writeUInt32BE(low, 20);
    const target = Buffer.alloc(200);
    expect(sealFrame(key, prefix, counter, plain[0] ?? 0, plain.subarray(1), target, 7)).toBe(true);
    const frame = target.subarray(0, 7 + macBytes + plain.length);
    expect(frame.subarray(7)).toEqual(seal(key, wholeNonce, plain));
    expect(openFrame(key, prefix, high, low, frame, 7)).toBe(true);
    expect(frame.subarray(7 + macBytes)).toEqual(plain);
  });

  it("makes key pairs that Node's X25519 holds for such, and that share the same with each other", () => {
    for (let round = 0; round < 20; round++) {
      const [ours, theirs] = [makeKeyPair(), makeKeyPair()];
      expect(sharedKey(theirs.publicKey, ours.secretKey)).toEqual(sharedKey(ours.publicKey, theirs.secretKey));
      const der = Buffer.concat([hex("302e020100300506032b656e04220420"), ours.secretKey]);
      const publicKey = createPublicKey(createPrivateKey({ key: der, format: "der", type: "pkcs8" }));
      expect(Buffer.from(publicKey.export({ format: "jwk" }).x ?? "", "base64url")).toEqual(ours.publicKey);
    }
  });

  it.each([
    "00".repeat(32),
    `01${"00".repeat(31)}`,
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  ])("shares nothing with the low-order key %s", (key) => {
    expect(sharedKey(Buffer.from(key, "hex"), alice.secretKey)).toBeUndefined();
  });
});

describe("sealing and opening", () => {
  const key = randomBytes(32);
  const prefix = Buffer.from("sixteen bytes...");

  it("are each other's opposite, whatever the size, and whatever was done between", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 3_000 }),
        fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
        fc.integer({ min: 0, max: 255 }),
        (body, counter, first) => {
          const frame = Buffer.alloc(macBytes + 1 + body.length);
          expect(sealFrame(key, prefix, counter, first, body, frame, 0)).toBe(true);
          makeKeyPair();
          expect(openFrame(key, prefix, Math.floor(counter / 2 ** 32), counter >>> 0, frame, 0)).toBe(true);
          expect(frame[macBytes]).toBe(first);
          expect(Uint8Array.from(frame.subarray(macBytes + 1))).toEqual(body);
        },
      ),
    );
  });

  it("hold for frames beyond what is kept in the library's heap", () => {
    const body = randomBytes(limits.sodiumHeapKeptBytes * 3);
    const frame = Buffer.alloc(macBytes + 1 + body.length);
    expect(sealFrame(key, prefix, 1, 0, body, frame, 0)).toBe(true);
    expect(openFrame(key, prefix, 0, 1, frame, 0)).toBe(true);
    expect(frame.subarray(macBytes + 1).equals(body)).toBe(true);
    expect(open(key, nonce, seal(key, nonce, Buffer.from("small again")))?.toString()).toBe("small again");
  });

  it("notice a changed bit, another nonce and another key, and leave the frame as it was", () => {
    const frame = Buffer.alloc(macBytes + 1 + 5);
    sealFrame(key, prefix, 9, 0, Buffer.from("hello"), frame, 0);
    for (let bit = 0; bit < frame.length * 8; bit++) {
      const changed = Buffer.from(frame);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const before = Buffer.from(changed);
      expect(openFrame(key, prefix, 0, 9, changed, 0)).toBe(false);
      expect(changed).toEqual(before);
    }
    expect(openFrame(key, prefix, 0, 10, frame, 0)).toBe(false);
    expect(openFrame(key, prefix, 1, 9, frame, 0)).toBe(false);
    expect(openFrame(key, Buffer.from("fifteen bytes..!"), 0, 9, frame, 0)).toBe(false);
    expect(openFrame(randomBytes(32), prefix, 0, 9, frame, 0)).toBe(false);
    expect(openFrame(key, prefix, 0, 9, frame, 0)).toBe(true);
  });
});
