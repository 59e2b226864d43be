// Z85 (RFC 32): there and back, one text for each key, and no key in an error.
import "../leftovers.suite.ts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z85Decode, z85Encode } from "./z85.ts";

describe("Z85", () => {
  it("is as in RFC 32's example", () => {
    const bytes = Buffer.from("864fd26fb559f75b", "hex");
    expect(z85Encode(bytes)).toBe("HelloWorld");
    expect(z85Decode("HelloWorld")).toEqual(bytes);
  });

  it("decodes what it encoded", () => {
    const fours = fc.uint8Array({ maxLength: 200 }).map((bytes) => bytes.subarray(0, bytes.length & ~3));
    fc.assert(
      fc.property(fours, (bytes) => {
        const text = z85Encode(bytes);
        expect(text.length).toBe((bytes.length / 4) * 5);
        expect(Uint8Array.from(z85Decode(text))).toEqual(bytes);
      }),
    );
  });

  it("has one text for the same bytes: what it decodes, it encodes to the same", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (text) => {
        let bytes: Uint8Array;
        try {
          bytes = z85Decode(text);
        } catch (error) {
          expect(error).toMatchObject({ code: "ZMTP_Z85_INVALID" });
          return;
        }
        expect(z85Encode(bytes)).toBe(text);
      }),
    );
  });

  it.each([
    ["abcd", "a multiple of 5"],
    ["abc\u00e9e", "position 3"],
    ["abc e", "position 3"],
    ["ab~de", "position 2"],
    ["#####", "exceed four bytes"],
  ])("refuses %s", (text, why) => {
    expect(() => z85Decode(text)).toThrow(why);
  });

  it("refuses bytes that are no fours", () => {
    expect(() => z85Encode(new Uint8Array(5))).toThrow("a multiple of 4");
  });

  it("never repeats a text that it refuses: it may be a secret key", () => {
    const secret = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh";
    let message = "";
    try {
      z85Decode(secret);
    } catch (error) {
      message = String(error);
    }
    expect(message).toContain("39");
    expect(message).not.toContain(secret.slice(0, 5));
  });
});
