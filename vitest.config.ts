// Which files are tests, and how they are run.
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** What takes a minute or more, and waits for most of it: begun last, it would run alone at the end. */
const longest = [
  "tests/chaos/requests/planned.test.ts",
  "packages/service/src/durable/nats/nats.test.ts",
  "tests/chaos/requests/unplanned.test.ts",
  "packages/service/src/durable/rabbitmq/rabbitmq.test.ts",
  "packages/service/src/durable/kafka/kafka.test.ts",
];

/** These first; the others as vitest would have them. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const at = longest.findIndex((path) => moduleId.endsWith(path));
      return at < 0 ? longest.length : at;
    };
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}

export default defineConfig({
  test: {
    include: ["packages/*/src/**/*.test.ts", "tests/**/*.test.ts", "examples/**/*.test.ts", "bench/**/*.test.ts"],
    setupFiles: ["tests/support/setup.ts"],
    sequence: { sequencer: LongestFirst },
    pool: "forks",
    // Vitest leaves one core to itself, so that two cores mean one file at a time; most of these tests wait for processes, and three fit.
    maxWorkers: 3,
    // A busy machine is slow, not wrong: these end what hangs, and are the only limits that most tests have.
    expect: { poll: { timeout: 60_000 } },
    testTimeout: 120_000,
    hookTimeout: 120_000,
    teardownTimeout: 60_000,
  },
});
