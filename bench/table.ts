// Rows as lines of text, for a person: each peer's figure with the ratio to it, and beside that the goal, or by how much it is missed.
import type { Row } from "./types.ts";

export function tableOf(rows: readonly Row[]): string[] {
  const lines = rows.map((row) => [
    row.name,
    `${number(row.ours)} ${row.unit}${limitOf(row)}`,
    ...Object.entries(row.peers).map(([peer, value]) => {
      const ratio = row.ratios[peer] ?? NaN;
      return `${peer} ${number(value)} (${number(ratio)}×${goalOf(ratio, row.goals?.[peer])})`;
    }),
  ]);
  const widths = [0, 1].map((column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

function number(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** `, goal 10×`, and by how much it is missed. */
function goalOf(ratio: number, goal: number | undefined): string {
  if (goal === undefined) return "";
  const missed = ratio >= goal ? "" : `, missed by ${((1 - ratio / goal) * 100).toFixed(0)} %`;
  return `, goal ${goal}×${missed}`;
}

function limitOf({ ours, unit, atMost }: Row): string {
  if (atMost === undefined) return "";
  const missed = ours <= atMost ? "" : `, missed by ${((ours / atMost - 1) * 100).toFixed(0)} %`;
  return ` (goal ≤ ${number(atMost)} ${unit}${missed})`;
}
