// Node's cryptography, loaded when it is first used: loading it takes 6 ms of processor time, a twelfth of a small service's start, and most
// services start without it.
/** @example nodeCrypto().createHash("sha256") */
export const nodeCrypto = (): typeof import("node:crypto") => process.getBuiltinModule("node:crypto");
