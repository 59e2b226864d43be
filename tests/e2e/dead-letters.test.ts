// `wherry dead-letters` where something is wrong: a broker that is away or refuses, a name that is mistyped, a file that is none. Each is one
// line that says what was expected, what came and what to do; nothing reads as "0 dead", and nothing is made.
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openBroker, queueOf } from "@wherry/service";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type BrokerServer,
  missingServer,
  rabbitProgram,
  startNats,
  startRabbit,
} from "../../packages/service/src/testing/broker-servers.ts";
import { Session, wherryBin } from "../support/session.ts";

const session = new Session();
afterAll(() => session.close());

const ask = (url: string, ...args: string[]) => session.run("dead-letters", "orders", ...args, "--broker", url);

/** The one line of an error, and its exit code. */
async function refusal(url: string, method = "order", code = 1): Promise<string> {
  const { code: got, stdout, stderr } = await ask(url, method);
  expect({ code: got, stdout }, stderr).toEqual({ code, stdout: "" });
  expect(stderr).toMatch(/^wherry: [^\n]+\n$/);
  return stderr;
}

test.each(["nats://127.0.0.1:1", "amqp://guest:s3cret@127.0.0.1:1", "kafka://127.0.0.1:1"])(
  "of a broker that is away, %s, it says so",
  async (url) => {
    const line = await refusal(url);
    expect(line).toMatch(/127\.0\.0\.1:1.*is it running, and its URL \(--broker or BROKER_URL\) right\?/);
    expect(line).not.toContain("s3cret");
  },
);

test.each([
  ["orders.db", /expected sqlite:\/\/\/absolute\/path.*got a URL with no scheme/],
  ["http://127.0.0.1", /got a URL with the scheme http/],
  ["sqlite://relative.db", /got a URL with sqlite:\/\/ and a relative path/],
  ["sqlite:///a%", /got a URL with sqlite:\/\/ and a % that begins no character/],
])("of %s, which is no broker's URL, it says what would be", async (url, message) => {
  expect(await refusal(url, "order", 2)).toMatch(message);
});

test("of a file that isn't there, or is none of a broker's, it says so, and leaves it as it is", async () => {
  const folder = session.folder("files");
  const missing = join(folder, "typo", "durable.db");
  expect(await refusal(`sqlite://${missing}`)).toMatch(/expected a broker's file in .*there is none: check the path/);
  expect(existsSync(join(folder, "typo"))).toBe(false);
  writeFileSync(join(folder, "notes.txt"), "hello ".repeat(1000));
  expect(await refusal(`sqlite://${folder}/notes.txt`)).toMatch(/no SQLite file: move it away, or name another/);
  mkdirSync(join(folder, "folder.db"));
  expect(await refusal(`sqlite://${folder}/folder.db`)).toMatch(/EISDIR/);
  expect(readdirSync(folder).toSorted()).toEqual(["folder.db", "notes.txt"]);
});

test("of a file in a folder that its user may not write, it says which", async () => {
  const folder = session.folder("locked");
  const url = `sqlite://${folder}/durable.db`;
  const broker = await openBroker({ url });
  await broker.publish(queueOf("orders", "order"), { content: 0, body: undefined });
  await broker.close();
  chmodSync(join(folder, "durable.db"), 0o444);
  chmodSync(folder, 0o555);
  const args = [wherryBin, "dead-letters", "orders", "order", "--broker", url];
  // Root may write anywhere, unless it lacks the capabilities for it: then it is the owner of its files, and no more.
  const powers = "-dac_override,-dac_read_search";
  const asOwner = [`--bounding-set=${powers}`, `--inh-caps=${powers}`, process.execPath, ...args];
  const isRoot = process.getuid?.() === 0;
  const running = isRoot ? session.start("setpriv", asOwner) : session.start(process.execPath, args);
  const { code, stdout, stderr } = await running.finished;
  chmodSync(folder, 0o700);
  expect({ code, stdout }, stderr).toEqual({ code: 1, stdout: "" });
  expect(stderr).toContain(`permission denied`);
  expect(stderr).toContain(`check that ${folder} can be written`);
});

test("of a method that a file knows nothing of it warns, as a file has no queues beside its messages", async () => {
  const url = `sqlite://${session.folder("known")}/durable.db`;
  const broker = await openBroker({ url });
  await broker.publish(queueOf("orders", "order"), { content: 0, body: undefined });
  await broker.close();
  expect(await ask(url, "order")).toEqual({
    code: 0,
    stdout: "",
    stderr: "default.orders.order: 0 dead; 1 wait, 0 run\n",
  });
  const { code, stderr } = await ask(url, "oredr");
  expect(code).toBe(0);
  expect(stderr).toMatch(/^warning: default\.orders\.oredr is empty, .*check service, method and namespace/);
});

/** What holds for each server: a queue that is there is told of, one that is not is an error, and stays away. */
function tellsQueuesApart(server: () => string): void {
  test("a queue without dead letters is told of; a mistyped one is an error, and is not made", async () => {
    const broker = await openBroker({ url: server() });
    await broker.publish(queueOf("orders", "order"), { content: 0, body: undefined });
    await expect
      .poll(() => ask(server(), "order"))
      .toMatchObject({
        code: 0,
        stderr: expect.stringMatching(/^default\.orders\.order: 0 dead; 1 wait/),
      });
    for (const method of ["oredr", "oredr"])
      expect(await refusal(server(), method)).toMatch(
        /the broker has no queue default\.orders\.oredr: no pod has consumed it, .*check service, method and namespace/,
      );
    expect((await session.run("dead-letters", "orders.shop", "order", "--broker", server())).stderr).toMatch(
      /has no queue shop\.orders\.order/,
    );
    const purged = await ask(server(), "order", "--purge", "17");
    expect(purged).toMatchObject({ code: 1, stderr: expect.stringMatching(/1 of the ids are no dead letters/) });
    await broker.close();
  });
}

const nats = missingServer("nats-server", "nats-server");
describe.skipIf(nats !== undefined)("of NATS", () => {
  let server: BrokerServer;
  beforeAll(async () => {
    server = await startNats(`authorization { users = [
      { user: ours, password: right }
      { user: stranger, password: right, permissions: { publish: "nothing", subscribe: ">" } }
    ] }`);
  });
  afterAll(() => server.stop());
  const urlOf = (user: string): string => server.url.replace("://", `://${user}@`);

  tellsQueuesApart(() => urlOf("ours:right"));

  test("a wrong password, and a user without rights, are told as that", async () => {
    const line = await refusal(urlOf("ours:s3cret"));
    expect(line).toMatch(/NATS at 127.*refused the URL's user.*check user and password of --broker or BROKER_URL/);
    expect(line).not.toContain("s3cret");
    expect(await refusal(urlOf("stranger:right"))).toMatch(/Permissions? Violation.*check what the user of/i);
  });
});

const rabbit = missingServer(rabbitProgram, "rabbitmq-server");
describe.skipIf(rabbit !== undefined)("of RabbitMQ", () => {
  let server: BrokerServer;
  beforeAll(async () => {
    server = await startRabbit();
  });
  afterAll(() => server.stop());

  tellsQueuesApart(() => server.url);

  test("a wrong password, and a virtual host that the user may not use, are told as that", async () => {
    const line = await refusal(server.url.replace("guest:guest", "guest:s3cret"));
    expect(line).toMatch(/RabbitMQ at 127.*refused the URL's user.*check user and password of --broker or BROKER_URL/);
    expect(line).not.toContain("s3cret");
    expect(await refusal(`${server.url}/elsewhere`)).toMatch(
      /refused the URL's user, or its rights: .*what that user may do there/,
    );
  });
});
