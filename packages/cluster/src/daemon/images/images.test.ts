// What an image's name means on this machine: a registered project, a package, a folder with a Dockerfile, or nothing, and then what to
// do.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseDockerfile } from "./dockerfile.ts";
import { createImages, imageBaseName } from "./images.ts";
import { nodeImage } from "./project.ts";
import { type ImageRegistry, readImageRegistry, registerImages } from "./registry.ts";

let folder: string;
let registry: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wherry-images-"));
  registry = join(folder, "images.json");
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const write = (path: string, text: string): void => {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
};

describe("an image name means", () => {
  test("what `wherry up` registered, from then on", async () => {
    const images = createImages(registry);
    expect(await images.find("echo:dev")).toBeUndefined();
    registerImages(registry, { images: { "echo:dev": nodeImage("/srv/echo.ts", "/srv") }, roots: [] });
    expect(await images.find("echo:dev")).toEqual({
      name: "echo:dev",
      entrypoint: [process.execPath, "/srv/echo.ts"],
      cmd: [],
      workingDir: "/srv",
      env: {},
    });
  });

  test("what wherry.yaml of a known project maps it to", async () => {
    write("wherry.yaml", 'images:\n  acme/web: { folder: ./web, command: [node, web.js], env: { A: "1" } }\n');
    registerImages(registry, { images: {}, roots: [folder] });
    expect(await createImages(registry).find("acme/web:1.2")).toMatchObject({
      cmd: ["node", "web.js"],
      workingDir: join(folder, "web"),
      env: { A: "1" },
    });
  });

  test("a workspace package of that name", async () => {
    write("package.json", '{"workspaces":["services/*"]}');
    write("services/shop/package.json", '{"name":"@acme/shop","main":"server.ts"}');
    write("services/shop/server.ts", "");
    registerImages(registry, { images: {}, roots: [folder] });
    expect(await createImages(registry).find("shop:dev")).toMatchObject({
      entrypoint: [process.execPath, join(folder, "services/shop/server.ts")],
    });
  });

  test("a folder with a Dockerfile of that name", async () => {
    write("web/Dockerfile", 'FROM node:24\nWORKDIR /app\nENV MODE=prod\nEXPOSE 8080\nCMD ["node", "/app/server.js"]\n');
    registerImages(registry, { images: {}, roots: [folder] });
    expect(await createImages(registry).find("web")).toMatchObject({
      cmd: ["node", join(folder, "web/server.js")],
      workingDir: join(folder, "web"),
      env: { MODE: "prod", PORT: "8080" },
    });
  });

  test("the project itself, where its package has that name", async () => {
    write("package.json", '{"name":"@acme/shop","main":"main.ts"}');
    write("main.ts", "");
    registerImages(registry, { images: {}, roots: [folder] });
    expect(await createImages(registry).find("shop:0.1.0")).toMatchObject({
      entrypoint: [process.execPath, join(folder, "main.ts")],
    });
    expect(await createImages(registry).find("other")).toBeUndefined();
  });

  test.each(["busybox", "alpine:3.20", "docker.io/library/node:24", "python:3", "registry.k8s.io/pause:3.10"])(
    "the host's own tools for %s",
    async (name) => {
      expect(await createImages(registry).find(name)).toMatchObject({ name });
    },
  );

  test.each(["nginx", "acme/node", "ghcr.io/acme/busybox:1", "constructor", "__proto__"])(
    "nothing for %s, and it is said what to add",
    async (name) => {
      const images = createImages(registry);
      expect(await images.find(name)).toBeUndefined();
      expect(images.explain(name)).toMatch(/wherry up PATH.*wherry\.yaml/);
      expect(images.explain(name)).toMatch(/There are: .*alpine, bash, .* \(this machine's own tools\)/);
    },
  );
});

test("who mistyped an image is told those that `wherry up` registered, and no endless list of them", () => {
  const named = (names: readonly string[]): ImageRegistry["images"] =>
    Object.fromEntries(names.map((name) => [name, nodeImage("/srv/a.ts", "/srv")]));
  registerImages(registry, { images: named(["shop:dev"]), roots: [] });
  expect(createImages(registry).explain("shpo:dev")).toMatch(/There are: shop:dev \(by "wherry up"\), alpine/);
  registerImages(registry, { images: named(Array.from({ length: 30 }, (_, index) => `web-${index}:dev`)), roots: [] });
  expect(createImages(registry).explain("shpo:dev")).toMatch(/shop:dev, web-0:dev, .*, 21 more \(by "wherry up"\)/);
});

test("a damaged registry counts as empty", () => {
  writeFileSync(registry, "{");
  expect(readImageRegistry(registry)).toEqual({ images: {}, roots: [] });
});

test("the name without registry, tag and digest", () => {
  expect(imageBaseName("localhost:5000/acme/web:1@sha256:abc")).toBe("web");
  expect(imageBaseName("localhost:5000/web")).toBe("web");
});

describe("a Dockerfile", () => {
  test("is read as its last stage, with continuation lines, comments and variables", () => {
    const file = parseDockerfile(
      [
        "# syntax=docker/dockerfile:1",
        "ARG VERSION=24",
        "FROM node:${VERSION} AS build",
        "CMD lost",
        "FROM node:$VERSION-slim",
        "ENV A=1 \\",
        '    B="two words" C=${A}x',
        "ENV OLD the rest",
        "WORKDIR /srv",
        "WORKDIR app",
        "EXPOSE 80 443/udp",
        "USER node",
        'ENTRYPOINT ["node", "--enable-source-maps"]',
        "CMD npm start",
      ].join("\n"),
    );
    expect(file).toEqual({
      from: "node:24-slim",
      workdir: "/srv/app",
      env: { A: "1", B: "two words", C: "1x", OLD: "the rest" },
      entrypoint: ["node", "--enable-source-maps"],
      cmd: ["/bin/sh", "-c", "npm start"],
      expose: ["80/tcp", "443/udp"],
      user: "node",
    });
  });
});
