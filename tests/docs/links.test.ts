// The pages' links lead to files and headings that are there, and every page can be reached from the README.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { expect, test } from "vitest";
import { root } from "../support/session.ts";

const pages = execFileSync("git", ["ls-files", "*.md"], { cwd: root, encoding: "utf8" }).trim().split("\n");
const textOf = (page: string): string => readFileSync(join(root, page), "utf8").replaceAll(/```.*?```/gs, "");

interface Link {
  readonly from: string;
  readonly to: string;
  readonly heading: string;
}

const links: readonly Link[] = pages.flatMap((from) =>
  [...textOf(from).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = ""]) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [file = "", heading = ""] = target.split("#");
      return { from, to: file === "" ? from : relative(root, join(root, dirname(from), file)), heading };
    }),
);

/** A heading as GitHub names its anchor. */
const anchorsOf = (page: string): string[] =>
  [...textOf(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );

test("lead to files and headings that are there", () => {
  expect(links.length).toBeGreaterThan(100);
  const broken = links.filter(
    ({ to, heading }) =>
      !existsSync(join(root, to)) || (heading !== "" && to.endsWith(".md") && !anchorsOf(to).includes(heading)),
  );
  expect(broken).toEqual([]);
});

test("reach every page from the README", () => {
  const reached = new Set(["README.md"]);
  for (const page of reached)
    for (const { to } of links.filter(({ from }) => from === page))
      if (to.endsWith(".md")) reached.add(to);
      // A link to a folder is a link to what lies in it.
      else if (existsSync(join(root, to)) && statSync(join(root, to)).isDirectory())
        for (const inside of pages) if (dirname(inside) === to.replace(/\/$/, "")) reached.add(inside);
  expect(pages.filter((page) => !reached.has(page))).toEqual([]);
});
