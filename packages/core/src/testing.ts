// For tests only: time and randomness that a test holds.
export { SeededRandom } from "./random.ts";
export { VirtualClock } from "./virtual-clock.ts";
