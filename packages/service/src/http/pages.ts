// What the HTTP port serves of its own: the service's description for programs, and a page for people to try it with. Loaded when one
// of them is first asked for. The page is one file without anything from elsewhere, and its policy allows nothing else.
import { readFileSync } from "node:fs";
import { policyOf } from "@wherry/core/page-policy";
import type { Server } from "../server/server.ts";
import { stats } from "../server/introspect.ts";
import type { Exchange } from "./exchange.ts";
import { openApi } from "./openapi.ts";

const json = { "content-type": "application/json" };

export class Pages {
  readonly #server: Server;
  readonly #description: Buffer;
  readonly #page: Buffer;
  readonly #policy: string;

  constructor(server: Server) {
    this.#server = server;
    this.#description = Buffer.from(JSON.stringify(openApi(server.service, server.httpTopics)));
    this.#page = readFileSync(new URL("explorer.html", import.meta.url));
    this.#policy = policyOf(this.#page.toString());
  }

  description(exchange: Exchange): void {
    exchange.answer(200, json, this.#description);
  }

  explorer(exchange: Exchange, query: string): void {
    if (query === "stats") exchange.answer(200, json, Buffer.from(JSON.stringify(stats(this.#server))));
    else {
      const headers = { "content-security-policy": this.#policy, "referrer-policy": "no-referrer" };
      exchange.answer(200, { "content-type": "text/html; charset=utf-8", ...headers }, this.#page);
    }
  }
}
