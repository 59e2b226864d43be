// Z85 (RFC 32): bytes as printable text, four bytes in five characters; how ZeroMQ writes CURVE keys.
import { WherryError } from "@wherry/core";

const alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
const noDigit = 255;
const digits: Uint8Array = new Uint8Array(128).fill(noDigit);
for (let digit = 0; digit < alphabet.length; digit++) digits[alphabet.charCodeAt(digit)] = digit;

/**
 * @param bytes a multiple of four of them.
 * @throws WherryError `ZMTP_Z85_INVALID`
 * @example z85Encode(Uint8Array.of(0x86, 0x4f, 0xd2, 0x6f)); // "Hello"
 */
export function z85Encode(bytes: Uint8Array): string {
  if (bytes.length % 4 !== 0) throw z85Invalid(`a multiple of 4 bytes was expected, got ${bytes.length}`);
  let text = "";
  for (let at = 0; at < bytes.length; at += 4) {
    let value =
      (bytes[at] ?? 0) * 2 ** 24 +
      (bytes[at + 1] ?? 0) * 2 ** 16 +
      (bytes[at + 2] ?? 0) * 2 ** 8 +
      (bytes[at + 3] ?? 0);
    let five = "";
    for (let place = 0; place < 5; place++) {
      five = alphabet.charAt(value % 85) + five;
      value = Math.floor(value / 85);
    }
    text += five;
  }
  return text;
}

/**
 * @param text a multiple of five characters.
 * @throws WherryError `ZMTP_Z85_INVALID`; the message never contains the text, which may be a secret key.
 */
export function z85Decode(text: string): Buffer {
  if (text.length % 5 !== 0) throw z85Invalid(`a multiple of 5 characters was expected, got ${text.length}`);
  const bytes = Buffer.alloc((text.length / 5) * 4);
  for (let at = 0; at < text.length; at += 5) {
    let value = 0;
    for (let place = at; place < at + 5; place++) {
      const digit = digits[text.charCodeAt(place)] ?? noDigit;
      if (digit === noDigit) throw z85Invalid(`the character at position ${place} is not of its alphabet`);
      value = value * 85 + digit;
    }
    if (value >= 2 ** 32) throw z85Invalid(`the five characters at position ${at} exceed four bytes`);
    bytes.writeUInt32BE(value, (at / 5) * 4);
  }
  return bytes;
}

function z85Invalid(why: string): WherryError {
  return new WherryError(`not Z85: ${why}`, { code: "ZMTP_Z85_INVALID" });
}
