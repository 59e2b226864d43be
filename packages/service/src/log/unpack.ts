// Reads MessagePack: what an aggregator says, and, in tests, what the writer wrote. Written from the specification's table of types, apart
// from the writer. It believes no length that the bytes do not bear out.

interface Extension {
  readonly type: number;
  readonly data: Buffer;
}

/** Lists and maps inside each other. */
const depthMax = 100;

/** The one value in `bytes`. @throws RangeError when it is not whole; Error when something is left over. */
export function unpack(bytes: Buffer): unknown {
  const reader = new Reader(bytes);
  const value = reader.value();
  if (reader.at !== bytes.length) throw new Error(`expected one value, got ${bytes.length - reader.at} more bytes`);
  return value;
}

/** All values in `bytes`, one after the other. */
export function unpackAll(bytes: Buffer): unknown[] {
  const reader = new Reader(bytes);
  const values: unknown[] = [];
  while (reader.at < bytes.length) values.push(reader.value());
  return values;
}

class Reader {
  at = 0;
  #depth = 0;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  #unsigned(width: number): number {
    const value = width === 8 ? Number(this.#bytes.readBigUInt64BE(this.at)) : this.#bytes.readUIntBE(this.at, width);
    this.at += width;
    return value;
  }

  #signed(width: number): number {
    const value = width === 8 ? Number(this.#bytes.readBigInt64BE(this.at)) : this.#bytes.readIntBE(this.at, width);
    this.at += width;
    return value;
  }

  #take(length: number): Buffer {
    if (this.at + length > this.#bytes.length) throw new RangeError("the value is cut off");
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }

  #text = (length: number): string => this.#take(length).toString();
  /** So many values follow, each of a byte at least. */
  #within<T>(length: number, read: () => T): T[] {
    if (this.at + length > this.#bytes.length) throw new RangeError("the value is cut off");
    if (++this.#depth > depthMax) throw new Error(`expected at most ${depthMax} levels of nesting`);
    const values = Array.from({ length }, read);
    this.#depth--;
    return values;
  }
  #list = (length: number): unknown[] => this.#within(length, () => this.value());
  #map(length: number): Record<string, unknown> {
    return Object.fromEntries(this.#within(length, () => [String(this.value()), this.value()]));
  }
  #extension(length: number): Extension {
    const type = this.#signed(1);
    return { type, data: this.#take(length) };
  }

  value(): unknown {
    const type = this.#unsigned(1);
    if (type < 0x80) return type;
    if (type < 0x90) return this.#map(type & 0x0f);
    if (type < 0xa0) return this.#list(type & 0x0f);
    if (type < 0xc0) return this.#text(type & 0x1f);
    if (type >= 0xe0) return type - 0x100;
    const readers: Readonly<Record<number, () => unknown>> = {
      192: () => null,
      194: () => false,
      195: () => true,
      196: () => this.#take(this.#unsigned(1)),
      197: () => this.#take(this.#unsigned(2)),
      198: () => this.#take(this.#unsigned(4)),
      203: () => this.#take(8).readDoubleBE(),
      204: () => this.#unsigned(1),
      205: () => this.#unsigned(2),
      206: () => this.#unsigned(4),
      207: () => this.#unsigned(8),
      208: () => this.#signed(1),
      209: () => this.#signed(2),
      210: () => this.#signed(4),
      211: () => this.#signed(8),
      215: () => this.#extension(8),
      217: () => this.#text(this.#unsigned(1)),
      218: () => this.#text(this.#unsigned(2)),
      219: () => this.#text(this.#unsigned(4)),
      220: () => this.#list(this.#unsigned(2)),
      221: () => this.#list(this.#unsigned(4)),
      222: () => this.#map(this.#unsigned(2)),
      223: () => this.#map(this.#unsigned(4)),
    };
    const read = readers[type];
    if (read === undefined) throw new Error(`unexpected type ${type.toString(16)}`);
    return read();
  }
}
