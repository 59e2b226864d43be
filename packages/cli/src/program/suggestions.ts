// What a mistyped command or option may have meant: of the words that commander suggests, those that are close to what was typed.

/** Commander also suggests words that share hardly a letter with what was typed: those are left out. */
export function closeSuggestions(text: string): string {
  const typed = /unknown (?:command|option) '(.*?)'/.exec(text)?.[1] ?? "";
  return text.replace(/\n\(Did you mean (?:one of )?(.*)\?\)/, (_all, words: string) => {
    const close = words.split(", ").filter((word) => isClose(typed, word));
    return close.length === 0 ? "" : `\n(Did you mean ${close.join(" or ")}?)`;
  });
}

/** All but two letters at one place are the same; of a short word, all but one. */
function isClose(typed: string, word: string): boolean {
  const [a, b] = [typed.replace(/^-+/, ""), word.replace(/^-+/, "")];
  const longest = Math.max(a.length, b.length);
  const shortest = Math.min(a.length, b.length);
  let start = 0;
  while (start < shortest && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < shortest - start && a.at(-1 - end) === b.at(-1 - end)) end += 1;
  return start + end >= longest - (longest > 3 ? 2 : 1);
}
