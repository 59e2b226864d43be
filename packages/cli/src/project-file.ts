// `wherry.yaml`: what a project says of its images, and of the keys to talk with. Read and checked here, so that a mistyped setting is one
// clear line and never silently nothing; what the settings mean is said where they are used (curve.ts; the daemon's images).
import { readFileSync, statSync } from "node:fs";
import { asError, nearest } from "@wherry/core";
import { usageError } from "./errors.ts";
import { cliLimits } from "./limits.ts";

export const projectFileName = "wherry.yaml";

type Section = Readonly<Record<string, unknown>>;

const sections = ["images", "curve"];
const imageSettings = ["folder", "command", "env"];

/** @returns undefined when there is no such file. @throws CliError usage, with a line for each mistake */
export async function readProjectFile(path: string): Promise<Section | undefined> {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isFile() !== true) return undefined;
  if (found.size > cliLimits.manifestBytesMax)
    throw usageError(`${path} has ${found.size} bytes; ${cliLimits.manifestBytesMax} at most are read`);
  const { parse } = await import("yaml");
  let content: unknown;
  try {
    content = parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw usageError(`${path} is no YAML: ${(asError(error).message.split("\n", 1)[0] ?? "").replace(/:$/, "")}`);
  }
  if (content === null || content === undefined) return {};
  const problems = isRecord(content) ? problemsOf(content) : [`expected settings by name, got ${typeOf(content)}`];
  if (problems.length > 0) throw usageError(problems.map((problem) => `${path}: ${problem}`).join("\n"));
  return content as Section;
}

function problemsOf(content: Section): string[] {
  const { images = {} } = content;
  const unknown = unknownIn("", content, sections);
  if (!isRecord(images)) return [...unknown, `images: expected a map of image names, got ${typeOf(images)}`];
  return [...unknown, ...Object.entries(images).flatMap(([name, entry]) => imageProblems(`images.${name}`, entry))];
}

function imageProblems(at: string, entry: unknown): string[] {
  if (!isRecord(entry)) return [`${at}: expected { folder, command, env }, got ${typeOf(entry)}`];
  const { folder, command, env } = entry;
  const problems = unknownIn(`${at}.`, entry, imageSettings);
  if (folder !== undefined && typeof folder !== "string")
    problems.push(`${at}.folder: expected a path, got ${typeOf(folder)}`);
  const isWords =
    Array.isArray(command) && command.every((word) => typeof word === "string" || typeof word === "number");
  if (command !== undefined && typeof command !== "string" && !isWords)
    problems.push(`${at}.command: expected a text for the shell, or a list of words, got ${typeOf(command)}`);
  if (env !== undefined && !isRecord(env)) problems.push(`${at}.env: expected a map, got ${typeOf(env)}`);
  return problems;
}

const unknownIn = (at: string, section: Section, known: readonly string[]): string[] =>
  Object.keys(section)
    .filter((key) => !known.includes(key))
    .map((key) => `unknown setting ${at}${key}${nearest(key, known) || `; there are: ${known.join(", ")}`}`);

export function isRecord(value: unknown): value is Section {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function typeOf(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  return Array.isArray(value) ? "a list" : `a ${typeof value}`;
}
