// Resource quantities: `500m`, `1.5Gi`, `1e3`. Exact arithmetic in billionths; the canonical text is Kubernetes' own
// (k8s.io/apimachinery pkg/api/resource), because clients compare quantities as text.

type Family = "binary" | "decimal" | "exponent";

export interface Quantity {
  /** The value in billionths (10^-9), rounded away from zero. */
  readonly nano: bigint;
  readonly family: Family;
}

const pattern = /^([+-]?)(\d*)(?:\.(\d*))?(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?\d{1,3})?$/;
const binary = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
/** Suffix by power of ten, in steps of three, from 10^-9. */
const decimal = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
/** Digits and exponents beyond these are no quantity of anything (the value is capped at 2^63 - 1 upstream). */
const textMax = 64;
const exponentMax = 30;
const nanoPerOne = 1_000_000_000n;

/** What the API server says about a text that is no quantity. */
export const quantityRule =
  "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

function scaleOf(suffix: string): { family: Family; numerator: bigint; exponent: number } | undefined {
  const power = binary.indexOf(suffix);
  if (power > 0) return { family: "binary", numerator: 1024n ** BigInt(power), exponent: 0 };
  const step = decimal.indexOf(suffix);
  if (step >= 0) return { family: "decimal", numerator: 1n, exponent: (step - 3) * 3 };
  const exponent = Number(suffix.slice(1));
  return Math.abs(exponent) > exponentMax ? undefined : { family: "exponent", numerator: 1n, exponent };
}

/** Undefined for a text that is no quantity. A number (`cpu: 0.5` in YAML) counts as its text. */
export function parseQuantity(given: unknown): Quantity | undefined {
  const text = typeof given === "number" ? String(given) : given;
  if (typeof text !== "string" || text.length > textMax) return undefined;
  const match = pattern.exec(text);
  if (match === null) return undefined;
  const [, sign, whole = "", fraction = "", suffix = ""] = match;
  const digits = whole + fraction;
  const scale = scaleOf(suffix);
  if (digits === "" || scale === undefined) return undefined;
  const exponent = scale.exponent - fraction.length + 9;
  const mantissa = BigInt(digits) * scale.numerator;
  const unit = 10n ** BigInt(Math.abs(exponent));
  // What is finer than a billionth is rounded up.
  const nano = exponent >= 0 ? mantissa * unit : (mantissa + unit - 1n) / unit;
  return { nano: sign === "-" ? -nano : nano, family: scale.family };
}

function binaryText(value: bigint): string {
  let rest = value;
  let power = 0;
  while (power < binary.length - 1 && rest !== 0n && rest % 1024n === 0n) {
    rest /= 1024n;
    power++;
  }
  return `${rest}${binary[power] ?? ""}`;
}

/** The one text of a quantity: `1000m` → `1`, `1024Mi` → `1Gi`, `0.5` → `500m`. */
export function formatQuantity({ nano, family }: Quantity): string {
  if (nano === 0n) return "0";
  const whole = nano / nanoPerOne;
  const exact = nano % nanoPerOne === 0n;
  if (family === "binary" && exact && (whole >= 1024n || whole <= -1024n)) return binaryText(whole);
  let rest = nano;
  let step = 0;
  const stepMax = family === "exponent" ? 20 : decimal.length - 1;
  while (step < stepMax && rest % 1000n === 0n) {
    rest /= 1000n;
    step++;
  }
  if (family !== "exponent") return `${rest}${decimal[step] ?? ""}`;
  return step === 3 ? `${rest}` : `${rest}e${(step - 3) * 3}`;
}

/** The canonical text, or undefined for what is no quantity. */
export function canonicalQuantity(given: unknown): string | undefined {
  const quantity = parseQuantity(given);
  return quantity === undefined ? undefined : formatQuantity(quantity);
}

/** Below zero when a < b, zero when equal. */
export const compareQuantities = (a: Quantity, b: Quantity): number => (a.nano < b.nano ? -1 : a.nano > b.nano ? 1 : 0);

/** In the suffix family of `a`, unless that is zero. */
export const addQuantities = (a: Quantity, b: Quantity): Quantity => ({
  nano: a.nano + b.nano,
  family: a.nano === 0n ? b.family : a.family,
});

export const subtractQuantities = (a: Quantity, b: Quantity): Quantity => addQuantities(a, { ...b, nano: -b.nano });

/** As a number of whole units (bytes, cores), fractions kept as far as a double can. */
export const quantityToNumber = ({ nano }: Quantity): number =>
  Number(nano / nanoPerOne) + Number(nano % nanoPerOne) / 1e9;
