// Label selectors: the text of `?labelSelector=` and the LabelSelector of specs, as one predicate.
// https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
import { limits } from "../limits.ts";
import { isLabelKey, isLabelValue } from "../names.ts";
import { badRequest, quote } from "../status.ts";
import type { LabelSelector } from "../types/index.ts";

export type Labels = { readonly [key: string]: string };
type Operator = "in" | "notin" | "exists" | "!" | ">" | "<";

interface Requirement {
  readonly key: string;
  readonly operator: Operator;
  readonly values: readonly string[];
}

export interface Selector {
  /** True when it has no requirement: all objects match. */
  readonly matchesAll: boolean;
  matches(labels: Labels | undefined): boolean;
  /** The text form, which parses to the same selector: `app in (a,b),!old`. */
  toString(): string;
  /** The values that `key` must have one of, for an index; undefined when the selector says nothing of that kind. */
  valuesOf(key: string): readonly string[] | undefined;
}

function meets({ key, operator, values }: Requirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case "in":
      return value !== undefined && values.includes(value);
    case "notin":
      return value === undefined || !values.includes(value);
    case "exists":
      return value !== undefined;
    case "!":
      return value === undefined;
    case ">":
      return value !== undefined && /^-?\d+$/.test(value) && Number(value) > Number(values[0]);
    case "<":
      return value !== undefined && /^-?\d+$/.test(value) && Number(value) < Number(values[0]);
  }
}

function textOf({ key, operator, values }: Requirement): string {
  switch (operator) {
    case "exists":
      return key;
    case "!":
      return `!${key}`;
    case "in":
    case "notin":
      if (values.length === 1) return `${key}${operator === "in" ? "=" : "!="}${values[0] ?? ""}`;
      return `${key} ${operator} (${values.toSorted().join(",")})`;
    case ">":
    case "<":
      return `${key}${operator}${values[0] ?? ""}`;
  }
}

const none: Labels = {};

function selectorFrom(requirements: readonly Requirement[]): Selector {
  return {
    matchesAll: requirements.length === 0,
    matches: (labels) => requirements.every((requirement) => meets(requirement, labels ?? none)),
    toString: () => requirements.map(textOf).join(","),
    valuesOf: (key) => requirements.find((one) => one.key === key && one.operator === "in")?.values,
  };
}

/** Matches every object. */
export const everything: Selector = selectorFrom([]);
/** Matches no object: what a missing LabelSelector means in most specs. */
export const nothing: Selector = {
  matchesAll: false,
  matches: () => false,
  toString: () => "<nothing>",
  valuesOf: () => [],
};

const fail = (why: string): never => {
  throw badRequest(`unable to parse requirement: ${why}`);
};

function checked(requirement: Requirement): Requirement {
  const { key, operator, values } = requirement;
  if (!isLabelKey(key)) fail(`<nil>: Invalid value: ${quote(key)}: a label key is [dns.subdomain/]name`);
  if (values.length > limits.selectorTermsMax) fail(`at most ${limits.selectorTermsMax} values, got ${values.length}`);
  for (const value of values)
    if (!isLabelValue(value)) fail(`values[0][${key}]: Invalid value: ${quote(value)}: not a label value`);
  if ((operator === ">" || operator === "<") && !/^-?\d+$/.test(values[0] ?? ""))
    fail(
      `values[0][${key}]: Invalid value: ${quote(values[0] ?? "")}: for 'Gt', 'Lt' operators, the value must be an integer`,
    );
  return requirement;
}

const tokenPattern = /\s*(==|!=|[=!<>(),]|[^\s=!<>(),]+)\s*/y;

function tokens(text: string): string[] {
  const found: string[] = [];
  tokenPattern.lastIndex = 0;
  while (tokenPattern.lastIndex < text.length) {
    const match = tokenPattern.exec(text);
    if (match?.[1] === undefined) return found; // only white space is left
    found.push(match[1]);
  }
  return found;
}

const punctuation = new Set(["=", "==", "!=", "!", "<", ">", "(", ")", ","]);

class Parser {
  readonly #tokens: readonly string[];
  #at = 0;
  constructor(text: string) {
    this.#tokens = tokens(text);
  }

  get done(): boolean {
    return this.#at >= this.#tokens.length;
  }

  #peek(): string | undefined {
    return this.#tokens[this.#at];
  }

  #expect(what: string): void {
    const token = this.#tokens[this.#at++];
    if (token !== what) fail(`found '${token ?? ""}', expected: '${what}'`);
  }

  separator(): void {
    this.#expect(",");
    if (this.done) fail("found '', expected: identifier after ','");
  }

  #word(): string {
    const token = this.#tokens[this.#at++];
    if (token === undefined || punctuation.has(token)) return fail(`found '${token ?? ""}', expected: identifier`);
    return token;
  }

  /** A value may be empty: `a=` and `a in (,b)`. */
  #value(): string {
    const token = this.#peek();
    return token === undefined || punctuation.has(token) ? "" : this.#word();
  }

  #list(): string[] {
    this.#expect("(");
    const values = [this.#value()];
    while (this.#peek() === ",") {
      this.#at++;
      values.push(this.#value());
    }
    this.#expect(")");
    return [...new Set(values)];
  }

  requirement(): Requirement {
    if (this.#peek() === "!") {
      this.#at++;
      return { key: this.#word(), operator: "!", values: [] };
    }
    const key = this.#word();
    const operator = this.#peek();
    if (operator === undefined || operator === ",") return { key, operator: "exists", values: [] };
    this.#at++;
    switch (operator) {
      case "=":
      case "==":
        return { key, operator: "in", values: [this.#value()] };
      case "!=":
        return { key, operator: "notin", values: [this.#value()] };
      case "in":
      case "notin":
        return { key, operator, values: this.#list() };
      case ">":
      case "<":
        return { key, operator, values: [this.#value()] };
      default:
        return fail(`found '${operator}', expected: in, notin, =, ==, !=, gt, lt`);
    }
  }
}

/** `a=b,c!=d,e in (x,y),f notin (z),g,!h,i>1`. An empty text matches all. @throws StatusError 400 */
export function parseLabelSelector(text: string): Selector {
  if (text.trim() === "") return everything;
  if (text.length > limits.selectorTextMax) fail(`at most ${limits.selectorTextMax} characters, got ${text.length}`);
  const parser = new Parser(text);
  const requirements = [checked(parser.requirement())];
  while (!parser.done) {
    parser.separator();
    requirements.push(checked(parser.requirement()));
    if (requirements.length > limits.selectorTermsMax) fail(`more than ${limits.selectorTermsMax} requirements`);
  }
  return selectorFrom(requirements);
}

const operators: { readonly [operator: string]: Operator } = {
  In: "in",
  NotIn: "notin",
  Exists: "exists",
  DoesNotExist: "!",
};

/** The selector of a spec. Undefined matches nothing, `{}` everything, as in Kubernetes. @throws StatusError 400 */
export function selectorOf(selector: LabelSelector | undefined): Selector {
  if (selector === undefined) return nothing;
  const requirements: Requirement[] = Object.entries(selector.matchLabels ?? {})
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => ({ key, operator: "in", values: [value] }));
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    const known = Object.hasOwn(operators, operator) ? operators[operator] : undefined;
    if (known === undefined) fail(`${quote(operator)} is not a valid label selector operator`);
    else requirements.push({ key, operator: known, values: values ?? [] });
  }
  return selectorFrom(requirements.map(checked));
}

/** The selector of a Service or a ReplicationController: a plain map. Undefined or empty matches nothing. */
export const selectorOfMap = (labels: Labels | undefined): Selector =>
  labels === undefined || Object.keys(labels).length === 0 ? nothing : selectorOf({ matchLabels: labels });
