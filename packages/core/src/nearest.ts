// The name that somebody meant who wrote another one. Pure.

/** `; did you mean NAME?` when one of `known` is near to `name`, else nothing. */
export function nearest(name: string, known: readonly string[]): string {
  let best: { readonly name: string; readonly distance: number } | undefined;
  for (const candidate of known) {
    const distance = distanceOf(plain(name), plain(candidate));
    if (distance <= Math.max(1, name.length / 3) && distance < (best?.distance ?? Number.POSITIVE_INFINITY))
      best = { name: candidate, distance };
  }
  return best === undefined ? "" : `; did you mean ${best.name}?`;
}

/** `--log-level`, `logLevel` and `LOG_LEVEL` are the same to whoever mistypes them. */
function plain(name: string): string {
  return name.replace(/[-_]/g, "").toLowerCase();
}

/** Letters to add, drop, change or swap with their neighbour (optimal string alignment). */
function distanceOf(from: string, to: string): number {
  let [before, last]: number[][] = [[], Array.from({ length: to.length + 1 }, (_, index) => index)];
  for (let row = 1; row <= from.length; row++) {
    const line = [row];
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1] ? 0 : 1;
      const swapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      line[column] = Math.min(
        (last?.[column] ?? 0) + 1,
        (line[column - 1] ?? 0) + 1,
        (last?.[column - 1] ?? 0) + same,
        swapped ? (before?.[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
      );
    }
    [before, last] = [last, line];
  }
  return last?.[to.length] ?? 0;
}
