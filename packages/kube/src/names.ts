// Which texts may be names, labels and keys (RFC 1123, k8s.io/apimachinery pkg/util/validation), and how names are made up.
// Messages are Kubernetes'. Pure: randomness is handed in.
import type { Random } from "@wherry/core";
import { limits } from "./limits.ts";
import { stableJson } from "./value.ts";

const dnsLabel = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/;
const dns1035Label = /^[a-z](?:[-a-z0-9]*[a-z0-9])?$/;
const dnsSubdomain = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;
const qualifiedPart = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const configKey = /^[-._a-zA-Z0-9]+$/;
const portName = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;
/** Printable ASCII without `=` (relaxed since Kubernetes v1.34). */
const envName = /^[ -<>-~]+$/;

export const isDnsLabel = (text: string): boolean => text.length <= limits.dnsLabelMax && dnsLabel.test(text);
/** What a Service's name must be: it starts with a letter (RFC 1035). */
export const isDns1035Label = (text: string): boolean => text.length <= limits.dnsLabelMax && dns1035Label.test(text);
export const isDnsSubdomain = (text: string): boolean =>
  text.length <= limits.dnsSubdomainMax && dnsSubdomain.test(text);
/** 0 to 63 characters. */
export const isLabelValue = (text: string): boolean =>
  text === "" || (text.length <= limits.dnsLabelMax && qualifiedPart.test(text));
/** `name` or `dns.subdomain/name`. */
export function isLabelKey(text: string): boolean {
  const slash = text.indexOf("/");
  if (slash >= 0 && !isDnsSubdomain(text.slice(0, slash))) return false;
  const name = text.slice(slash + 1);
  return name.length <= limits.dnsLabelMax && qualifiedPart.test(name);
}
/** A key of a ConfigMap or Secret: a file name that stays in its folder. */
export const isConfigKey = (text: string): boolean =>
  text.length <= limits.configKeyMax && configKey.test(text) && text !== "." && !text.startsWith("..");
export const isEnvName = (text: string): boolean => envName.test(text);
/** At most 15 characters, with a letter in it, no `--` (RFC 6335). */
export const isPortName = (text: string): boolean =>
  text.length <= 15 && portName.test(text) && /[a-z]/.test(text) && !text.includes("--");

const maxLength = (max: number): string => `must be no more than ${max} bytes`;
const labelRule =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an " +
  "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const label1035Rule =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end " +
  "with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const subdomainRule =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end " +
  "with an alphanumeric character (e.g. 'example.com', regex used for validation is " +
  "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/** What a kind demands of its names. */
export type NameRule = "label" | "label1035" | "subdomain";
const nameRules: { readonly [rule in NameRule]: { regex: RegExp; max: number; message: string } } = {
  label: { regex: dnsLabel, max: limits.dnsLabelMax, message: labelRule },
  label1035: { regex: dns1035Label, max: limits.dnsLabelMax, message: label1035Rule },
  subdomain: { regex: dnsSubdomain, max: limits.dnsSubdomainMax, message: subdomainRule },
};

/** What is wrong with a name, in Kubernetes' words; empty when nothing is. */
export function nameProblems(rule: NameRule, text: string): string[] {
  const { regex, max, message } = nameRules[rule];
  const problems = text.length > max ? [maxLength(max)] : [];
  // A huge text is not put through the expression: it is refused already.
  if (text.length <= 4 * max && !regex.test(text)) problems.push(message);
  return problems;
}

/** Without vowels and look-alikes, so that no word and no misreading comes out (apimachinery: util/rand). */
export const nameAlphabet = "bcdfghjklmnpqrstvwxz2456789";

/** The five characters behind `generateName`. */
export function nameSuffix(random: Random, length = 5): string {
  let suffix = "";
  for (let index = 0; index < length; index++) suffix += nameAlphabet.charAt(random.below(nameAlphabet.length));
  return suffix;
}

/** `generateName` cut so that the whole fits a DNS label, and a random suffix. */
export const generateName = (prefix: string, random: Random): string =>
  prefix.slice(0, limits.generateNamePrefixMax) + nameSuffix(random);

/**
 * The hash that names a Deployment's ReplicaSet: 32-bit FNV-1a over the template and the count of collisions, written in the
 * name alphabet. The same template always gives the same hash; it differs from what kube-controller-manager would compute.
 */
export function templateHash(template: unknown, collisionCount = 0): string {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(stableJson(template) + (collisionCount > 0 ? `#${collisionCount}` : "")))
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return Array.from(String(hash), (digit) => nameAlphabet.charAt(digit.charCodeAt(0) % nameAlphabet.length)).join("");
}
