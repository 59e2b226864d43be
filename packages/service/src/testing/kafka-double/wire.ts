// Kafka's binary protocol, its flexible versions: how numbers, texts, arrays and tagged fields are read and written
// (https://kafka.apache.org/protocol#protocol_types). For tests only.

export class WireReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  #step(bytes: number): number {
    const at = this.#at;
    this.#at += bytes;
    if (this.#at > this.#bytes.length)
      throw new Error(`expected ${bytes} more bytes at ${at} of ${this.#bytes.length}`);
    return at;
  }

  int8(): number {
    return this.#bytes.readInt8(this.#step(1));
  }
  boolean(): boolean {
    return this.int8() !== 0;
  }
  int16(): number {
    return this.#bytes.readInt16BE(this.#step(2));
  }
  int32(): number {
    return this.#bytes.readInt32BE(this.#step(4));
  }
  int64(): bigint {
    return this.#bytes.readBigInt64BE(this.#step(8));
  }
  uuid(): string {
    return this.raw(16).toString("hex");
  }
  raw(length: number): Buffer {
    const at = this.#step(length);
    return this.#bytes.subarray(at, at + length);
  }
  varint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#bytes.readUInt8(this.#step(1));
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }
  bytes(): Buffer | null {
    const length = this.varint() - 1;
    return length < 0 ? null : this.raw(length);
  }
  text(): string {
    return this.nullableText() ?? "";
  }
  nullableText(): string | null {
    return this.bytes()?.toString() ?? null;
  }
  /** The header's client id is of the old kind, with two bytes of length. */
  oldText(): string {
    const length = this.int16();
    return length < 0 ? "" : this.raw(length).toString();
  }
  array<T>(item: () => T): T[] {
    return this.nullableArray(item) ?? [];
  }
  nullableArray<T>(item: () => T): T[] | null {
    const count = this.varint() - 1;
    return count < 0 ? null : Array.from({ length: count }, () => item());
  }
  tags(): void {
    for (let count = this.varint(); count > 0; count--) {
      this.varint();
      this.raw(this.varint());
    }
  }
}

export class WireWriter {
  readonly #parts: Buffer[] = [];

  #put(length: number, write: (part: Buffer) => void): this {
    const part = Buffer.alloc(length);
    write(part);
    this.#parts.push(part);
    return this;
  }

  int8(value: number): this {
    return this.#put(1, (part) => part.writeInt8(value));
  }
  boolean(value: boolean): this {
    return this.int8(value ? 1 : 0);
  }
  int16(value: number): this {
    return this.#put(2, (part) => part.writeInt16BE(value));
  }
  int32(value: number): this {
    return this.#put(4, (part) => part.writeInt32BE(value));
  }
  int64(value: bigint): this {
    return this.#put(8, (part) => part.writeBigInt64BE(value));
  }
  raw(bytes: Buffer): this {
    this.#parts.push(bytes);
    return this;
  }
  uuid(hex: string): this {
    return this.raw(Buffer.from(hex, "hex"));
  }
  varint(value: number): this {
    const bytes: number[] = [];
    for (; value >= 0x80; value = Math.floor(value / 128)) bytes.push((value % 128) | 0x80);
    return this.raw(Buffer.from([...bytes, value]));
  }
  bytes(value: Buffer | null): this {
    return value === null ? this.varint(0) : this.varint(value.length + 1).raw(value);
  }
  text(value: string | null): this {
    return this.bytes(value === null ? null : Buffer.from(value));
  }
  array<T>(items: readonly T[], item: (value: T) => unknown): this {
    this.varint(items.length + 1);
    for (const value of items) item(value);
    return this;
  }
  tags(): this {
    return this.varint(0);
  }
  end(): Buffer {
    return Buffer.concat(this.#parts);
  }
}
