// What a Node program of a pod gets: "all addresses" is the pod's own, and Service names resolve, however the program asks.
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { preloadFile } from "./process-runtime.ts";

const podIP = "127.203.64.7";
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wherry pre'load-"));
  await writeFile(
    join(folder, "hosts"),
    "127.203.0.9 web.default.svc.cluster.local\n127.203.0.8 db.shop.svc.cluster.local\n127.203.64.2 peers.default.svc.cluster.local\n127.203.64.3 peers.default.svc.cluster.local\n",
  );
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Runs an ES module with the preload; answers what it wrote as JSON. */
async function run(source: string, more: NodeJS.ProcessEnv = {}): Promise<unknown> {
  const env = {
    PATH: process.env["PATH"],
    POD_IP: podIP,
    POD_NAMESPACE: "default",
    WHERRY_HOSTS: join(folder, "hosts"),
    NODE_OPTIONS: `--require ${JSON.stringify(preloadFile)}`,
    ...more,
  };
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", source], { env });
  return JSON.parse(stdout);
}

describe("the preload", () => {
  it("binds every form of listen to the pod, and leaves explicit addresses, paths and handles alone", async () => {
    const forms = `
      import net from "node:net"; import http from "node:http"; import dgram from "node:dgram";
      const heard = [];
      const listen = (...args) => new Promise((resolve, reject) => {
        const server = (heard.length % 2 ? http : net).createServer();
        server.once("error", reject);
        server.listen(...args, () => { heard.push(typeof server.address() === "string" ? "path" : server.address().address); server.close(resolve); });
      });
      await listen(0); await listen("0"); await listen(0, "0.0.0.0"); await listen(0, "::"); await listen(0, 511);
      await listen({ port: 0 }); await listen({ port: 0, host: "0.0.0.0" }); await listen(); await listen(undefined); await listen(0, undefined);
      await listen(0, "127.0.0.1"); await listen({ port: 0, host: "127.203.64.8" }); await listen({ path: process.argv[1] }); await listen(process.argv[1]);
      const socket = dgram.createSocket("udp4");
      await new Promise((resolve) => socket.bind(0, resolve));
      heard.push(socket.address().address); socket.close();
      console.log(JSON.stringify(heard));`;
    const source = forms.replaceAll("process.argv[1]", JSON.stringify(join(folder, "socket")));
    expect(await run(source)).toEqual([
      ...Array.from({ length: 10 }, () => podIP),
      "127.0.0.1",
      "127.203.64.8",
      "path",
      "path",
      podIP,
    ]);
  });

  it("resolves Services through callbacks, promises and named imports", async () => {
    const source = `
      import dns, { lookup } from "node:dns"; import { lookup as promised } from "node:dns/promises"; import { promisify } from "node:util";
      const found = [];
      for (const name of ["web", "WEB.default", "web.default.svc", "web.default.svc.cluster.local.", "db.shop"]) found.push((await promised(name)).address);
      found.push(await new Promise((resolve) => lookup("web", (_e, address, family) => resolve([address, family]))));
      found.push(await new Promise((resolve) => lookup("peers", { all: true }, (_e, addresses) => resolve(addresses.map((a) => a.address)))));
      found.push((await promisify(dns.lookup)("db.shop")).address);
      found.push((await promised("localhost", { family: 4 })).address, (await promised("127.0.0.5")).address);
      console.log(JSON.stringify(found));`;
    expect(await run(source)).toEqual([
      "127.203.0.9",
      "127.203.0.9",
      "127.203.0.9",
      "127.203.0.9",
      "127.203.0.8",
      ["127.203.0.9", 4],
      ["127.203.64.2", "127.203.64.3"],
      "127.203.0.8",
      "127.0.0.1",
      "127.0.0.5",
    ]);
  });

  it("does nothing outside a pod, and survives a missing hosts file", async () => {
    const source = `
      import net from "node:net"; import { lookup } from "node:dns/promises";
      const server = net.createServer().listen(0, "127.0.0.1", async () => {
        console.log(JSON.stringify([server.address().address, (await lookup("localhost", { family: 4 })).address])); server.close();
      });`;
    expect(await run(source, { WHERRY_HOSTS: join(folder, "none") })).toEqual(["127.0.0.1", "127.0.0.1"]);
    expect(await run(source, { POD_IP: "", WHERRY_HOSTS: "" })).toEqual(["127.0.0.1", "127.0.0.1"]);
  });
});
