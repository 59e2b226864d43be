// Takes passwords out of what is shown: `amqp://shop:***@host`. Whatever might be one is masked, to the last @ of its word; better a
// host too few in a message than a password in a log. Pure.

/** After `//` a user, who may be a token, with or without a password; without `//` only what has both. */
const userInfo = /\/\/([^/?#@:\s]*)(:\S*)?@|(?<=^|[\s"',(])([^/?#@:\s]+):(?!\/\/)\S*@/g;

/** The text without the passwords of the URLs in it. */
export function maskUrls(text: string): string {
  return text.replace(userInfo, (_all, user: string | undefined, password: string | undefined, bare: string) => {
    if (user === undefined) return `${bare}:***@`;
    return password === undefined ? "//***@" : `//${user}:***@`;
  });
}

/** A setting's value as JSON, without the passwords of the URLs in it. */
export function shownValue(value: unknown): string {
  return JSON.stringify(value, (_name, part: unknown) => (typeof part === "string" ? maskUrls(part) : part));
}
