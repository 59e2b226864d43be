// Protobuf's wire format, read field by field. https://protobuf.dev/programming-guides/encoding/
// Knows no message. Throws RangeError for bytes that are none.

const varintType = 0;
const fixed64Type = 1;
const bytesType = 2;
const fixed32Type = 5;

const utf8 = new TextDecoder("utf-8", { fatal: true });

export class ProtobufReader {
  /** Of the field that `next` came to. */
  field = 0;
  #wireType = 0;
  #at = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** False at the end. After true, exactly one of the reading methods must be called. */
  next(): boolean {
    if (this.#at >= this.#bytes.length) return false;
    const tag = this.#unsigned();
    this.field = Number(tag >> 3n);
    this.#wireType = Number(tag & 7n);
    if (this.field === 0) throw new RangeError("it has a field without a number");
    return true;
  }

  /** A varint as a signed 64-bit number; exact up to 2^53. */
  integer(): number {
    this.#expect(varintType);
    return Number(BigInt.asIntN(64, this.#unsigned()));
  }

  double(): number {
    this.#expect(fixed64Type);
    const bytes = this.#take(8);
    return new DataView(bytes.buffer, bytes.byteOffset, 8).getFloat64(0, true);
  }

  bytes(): Uint8Array {
    this.#expect(bytesType);
    return this.#take(Number(this.#unsigned()));
  }

  text(): string {
    try {
      return utf8.decode(this.bytes());
    } catch (problem) {
      if (problem instanceof RangeError) throw problem;
      throw new RangeError("it has a text that is not UTF-8");
    }
  }

  skip(): void {
    if (this.#wireType === varintType) this.#unsigned();
    else if (this.#wireType === fixed64Type) this.#take(8);
    else if (this.#wireType === bytesType) this.bytes();
    else if (this.#wireType === fixed32Type) this.#take(4);
    else throw new RangeError(`it has the wire type ${this.#wireType}`);
  }

  #expect(wireType: number): void {
    if (this.#wireType !== wireType)
      throw new RangeError(`field ${this.field} has the wire type ${this.#wireType}, expected ${wireType}`);
  }

  #take(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new RangeError("it ends too early");
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  #unsigned(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new RangeError("it ends too early");
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new RangeError("it has a number of more than ten bytes");
  }
}
