// How deeply JSON is nested, counted in its bytes before anything that recurses sees it: `JSON.parse` takes any depth, but what
// checks, copies or writes the value runs out of stack, which would end the process for its peer's sake. Pure.

const [quote, backslash] = [0x22, 0x5c];
/** `[` and `{`, and what closes them. */
const [openList, openObject, closeList, closeObject] = [0x5b, 0x7b, 0x5d, 0x7d];

/** Are there more lists and objects inside each other than `depthMax`? Of what is no JSON the answer means nothing. */
export function isDeeperThan(json: Uint8Array, depthMax: number): boolean {
  // Each level takes two bytes: most bodies need not be looked at.
  if (json.length <= 2 * depthMax) return false;
  let depth = 0;
  for (let at = 0; at < json.length; at++) {
    const byte = json[at];
    if (byte === quote) at = endOfString(json, at);
    else if (byte === openList || byte === openObject) {
      if (++depth > depthMax) return true;
    } else if (byte === closeList || byte === closeObject) depth--;
  }
  return false;
}

/** @param from where its first quote is. @returns where its last is, or beyond the end. */
function endOfString(json: Uint8Array, from: number): number {
  let at = from + 1;
  while (at < json.length && json[at] !== quote) at += json[at] === backslash ? 2 : 1;
  return at;
}
