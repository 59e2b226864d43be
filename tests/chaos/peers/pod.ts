// What a pod runs: `node pod.ts PEER`.
import { peerOf } from "./peers.ts";

const peer = await peerOf(process.argv[2] ?? "");
await peer.serve(process.env["POD_IP"] ?? "127.0.0.1", 5_555);
