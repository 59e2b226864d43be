// The Content-Security-Policy of a page that is one file and needs nothing from elsewhere.
import { createHash } from "node:crypto";

/** Its own style and script, by their hashes; requests to itself; nothing else, and in nobody's frame. @param page with one `<style>` and one `<script>` */
export function policyOf(page: string): string {
  const hash = (tag: string): string => {
    const text = new RegExp(`<${tag}>([^]*?)</${tag}>`).exec(page)?.[1] ?? "";
    return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  };
  const own = `style-src ${hash("style")}; script-src ${hash("script")}; connect-src 'self'; img-src data:`;
  return `default-src 'none'; ${own}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
}
