// `@wherry/service/curve`: keys for encrypted connections. An entry point of its own, because it loads libsodium.
export { type CurveKeyPair, curveKeyPair, curvePublicKey } from "@wherry/zmtp/curve";
export { readCurveKeys } from "./key-file.ts";
