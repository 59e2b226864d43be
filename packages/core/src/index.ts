// What every other package may import; it imports no other package.
export { BoundedQueue } from "./bounded-queue.ts";
export { IdTable } from "./id-table.ts";
export { type Clock, SystemClock, sleepWith, type Timer } from "./clock.ts";
export { asError, assert, WherryError, type WherryErrorOptions } from "./errors.ts";
export { nearest } from "./nearest.ts";
export { type Logger, silentLogger } from "./logger.ts";
export { nodeCrypto } from "./node-crypto.ts";
export { type Random, SeededRandom, SystemRandom } from "./random.ts";
