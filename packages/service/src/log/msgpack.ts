// Writes MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md): what JSON can hold, bytes, and the EventTime of
// Fluentd's forward protocol. Only writes; always the shortest form, as the specification wants.

/** Seconds and nanoseconds, as the forward protocol's extension type 0. */
export class EventTime {
  readonly seconds: number;
  readonly nanoseconds: number;

  /** @param milliseconds since the Unix epoch. */
  constructor(milliseconds: number) {
    this.seconds = Math.floor(milliseconds / 1000);
    this.nanoseconds = Math.round((milliseconds - this.seconds * 1000) * 1e6);
  }
}

/** The value's bytes. What JSON leaves out of objects (undefined, functions, symbols) is left out here too. */
export function packed(value: unknown): Buffer {
  const writer = new Writer();
  writer.value(value);
  return writer.bytes();
}

class Writer {
  #buffer = Buffer.allocUnsafe(1024);
  #size = 0;

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#size);
  }

  /** Room for `bytes` more; where they begin. */
  #claim(bytes: number): number {
    const at = this.#size;
    this.#size += bytes;
    if (this.#size > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#size, this.#buffer.length * 2));
      this.#buffer.copy(grown, 0, 0, at);
      this.#buffer = grown;
    }
    return at;
  }

  value(value: unknown): void {
    if (value === null || value === undefined) this.#byte(0xc0);
    else if (typeof value === "boolean") this.#byte(value ? 0xc3 : 0xc2);
    else if (typeof value === "number") this.#number(value);
    else if (typeof value === "bigint") this.#bigint(value);
    else if (typeof value === "string") this.#text(value);
    else if (value instanceof Uint8Array) this.#binary(value);
    else if (value instanceof EventTime) this.#eventTime(value);
    else if (Array.isArray(value)) this.#list(value);
    else this.#map(Object.entries(value).filter(([, item]) => item !== undefined && typeof item !== "function"));
  }

  #byte(byte: number): void {
    const at = this.#claim(1);
    this.#buffer[at] = byte;
  }

  /** A type byte, and a length or number of so many bytes after it. */
  #head(type: number, width: 1 | 2 | 4, number: number): void {
    const at = this.#claim(1 + width);
    this.#buffer[at] = type;
    this.#buffer.writeUIntBE(number, at + 1, width);
  }

  #number(value: number): void {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      const at = this.#claim(9);
      this.#buffer[at] = 0xcb;
      this.#buffer.writeDoubleBE(value, at + 1);
    } else if (value >= 0) this.#unsigned(value);
    else this.#negative(value);
  }

  #unsigned(value: number): void {
    if (value < 0x80) this.#byte(value);
    else if (value <= 0xff) this.#head(0xcc, 1, value);
    else if (value <= 0xffff) this.#head(0xcd, 2, value);
    else if (value <= 0xffff_ffff) this.#head(0xce, 4, value);
    else this.#bigint(BigInt(value));
  }

  #negative(value: number): void {
    if (value >= -32) this.#byte(value & 0xff);
    else if (value >= -0x80) this.#head(0xd0, 1, value & 0xff);
    else if (value >= -0x8000) this.#head(0xd1, 2, value & 0xffff);
    else if (value >= -0x8000_0000) this.#head(0xd2, 4, value >>> 0);
    else this.#bigint(BigInt(value));
  }

  /** 64 bits; what they don't hold travels as text, as JSON libraries do it. */
  #bigint(value: bigint): void {
    const signed = value < 0n;
    if (value > 0xffff_ffff_ffff_ffffn || value < -0x8000_0000_0000_0000n) {
      this.#text(String(value));
      return;
    }
    const at = this.#claim(9);
    this.#buffer[at] = signed ? 0xd3 : 0xcf;
    if (signed) this.#buffer.writeBigInt64BE(value, at + 1);
    else this.#buffer.writeBigUInt64BE(value, at + 1);
  }

  #text(text: string): void {
    const bytes = Buffer.byteLength(text);
    if (bytes < 32) this.#byte(0xa0 | bytes);
    else if (bytes <= 0xff) this.#head(0xd9, 1, bytes);
    else if (bytes <= 0xffff) this.#head(0xda, 2, bytes);
    else this.#head(0xdb, 4, bytes);
    const at = this.#claim(bytes);
    this.#buffer.write(text, at);
  }

  #binary(bytes: Uint8Array): void {
    if (bytes.length <= 0xff) this.#head(0xc4, 1, bytes.length);
    else if (bytes.length <= 0xffff) this.#head(0xc5, 2, bytes.length);
    else this.#head(0xc6, 4, bytes.length);
    const at = this.#claim(bytes.length);
    this.#buffer.set(bytes, at);
  }

  /** fixext 8, type 0: https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1#eventtime-ext-format */
  #eventTime({ seconds, nanoseconds }: EventTime): void {
    const at = this.#claim(10);
    this.#buffer[at] = 0xd7;
    this.#buffer[at + 1] = 0;
    this.#buffer.writeUInt32BE(seconds, at + 2);
    this.#buffer.writeUInt32BE(nanoseconds, at + 6);
  }

  #list(items: readonly unknown[]): void {
    if (items.length < 16) this.#byte(0x90 | items.length);
    else if (items.length <= 0xffff) this.#head(0xdc, 2, items.length);
    else this.#head(0xdd, 4, items.length);
    for (const item of items) this.value(item);
  }

  #map(entries: readonly (readonly [string, unknown])[]): void {
    if (entries.length < 16) this.#byte(0x80 | entries.length);
    else if (entries.length <= 0xffff) this.#head(0xde, 2, entries.length);
    else this.#head(0xdf, 4, entries.length);
    for (const [name, item] of entries) {
      this.#text(name);
      this.value(item);
    }
  }
}
