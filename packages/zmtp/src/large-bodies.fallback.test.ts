// Where Node's switches for reading into buffers of ours are not found: all is the same, by `data` events.
import { describe, vi } from "vitest";
import { largeBodies } from "./large-bodies.suite.ts";

vi.mock("./engine/shared-read.ts", () => ({ readShared: (): boolean => false, letGo: (): void => undefined }));

describe("large bodies, without reading into buffers of ours", largeBodies);
