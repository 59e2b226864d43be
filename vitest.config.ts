// Which files are tests, and how they are run.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["packages/*/src/**/*.test.ts", "tests/**/*.test.ts", "examples/**/*.test.ts", "bench/**/*.test.ts"],
    setupFiles: ["tests/support/setup.ts"],
    pool: "forks",
    // Vitest leaves one core to itself, so that two cores mean one file at a time; most of these tests wait for processes, and two fit.
    maxWorkers: 2,
    // A busy machine is slow, not wrong.
    expect: { poll: { timeout: 15_000 } },
    testTimeout: 30_000,
    hookTimeout: 30_000,
    teardownTimeout: 10_000,
  },
});
