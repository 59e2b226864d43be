// The client example, as its reader runs it: without a cluster it says what is missing, beside `wherry up` it works without a setting.
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { root, Session } from "../../tests/support/session.ts";

const session = new Session();
afterAll(() => session.close());

const client = (env: NodeJS.ProcessEnv = {}) =>
  session.start(process.execPath, [join(root, "examples/client/client.ts"), "hello", "world"], {
    KUBECONFIG: "",
    XDG_STATE_HOME: "",
    ...env,
  }).finished;

test("without a cluster it fails, and says what it looked for and what helps", async () => {
  const { code, stderr, stdout } = await client();
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toMatch(/^UNAVAILABLE \(not-started\): no endpoint of echo can be found out: found no cluster/);
  expect(stderr).toContain(join(session.home, ".kube/config"));
  expect(stderr).toContain(session.kubeconfig);
  expect(stderr).toContain("KUBECONFIG=$(npx wherry kubeconfig)");
});

test("after `wherry up` it just works, and with KUBECONFIG as well", async () => {
  expect(await session.run("up", "examples/echo", "--detach")).toMatchObject({ code: 0 });
  expect(await client()).toEqual({ code: 0, stdout: "hello\nworld\n", stderr: "" });
  expect(await client({ KUBECONFIG: session.kubeconfig })).toMatchObject({ code: 0, stdout: "hello\nworld\n" });
});
