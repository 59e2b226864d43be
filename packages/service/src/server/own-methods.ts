// The methods that every service has, `$ping`, `$describe`, `$openapi`, `$stats` and `$queues`: answered in line by the event loop, never queued, so that a
// full queue hides nothing. What they say is made in introspect.ts, which is loaded when first asked for.
import { asError } from "@wherry/core";
import type { QueuesDescription } from "../durable/queues.ts";
import { ServiceError } from "../errors.ts";
import { encodeContent, type TextContent } from "../protocol/content.ts";
import type { Caller } from "./caller.ts";
import type { Authorizer } from "./authorize.ts";
import type { Host } from "./host.ts";
import type { Introspected } from "./introspect.ts";

/** What they need of the server. */
export interface OwnMethodsHost extends Introspected, Pick<Host, "log"> {
  readonly authorizer: Authorizer;
  /** The topics that its HTTP port shows, if it has one. */
  readonly httpTopics: readonly string[];
  /** What is in its durable methods' queues, if it has any. */
  readonly queues: (() => Promise<QueuesDescription>) | undefined;
}

/** They may be asked again as often as one likes. */
export const ownMethods: readonly string[] = ["$ping", "$describe", "$openapi", "$stats", "$queues"];

/** No method of a user begins so. */
export function isOwn(method: string): boolean {
  return method.startsWith("$");
}

/** Answers a request for one of them, in this turn if it can. */
export function answerOwn(server: OwnMethodsHost, caller: Caller, id: number, method: string): void {
  if (method === "$ping") caller.reply(id, encodeContent({}));
  else if (!ownMethods.includes(method)) {
    const message = `service ${server.service.name} has no method ${JSON.stringify(method)}; of those that begin with $, it has ${ownMethods.join(", ")}`;
    caller.fail(id, new ServiceError("NOT_FOUND", message));
  } else void introspect(server, caller, id, method);
}

async function introspect(server: OwnMethodsHost, caller: Caller, id: number, method: string): Promise<void> {
  try {
    await server.authorizer.ask(method, caller);
    caller.reply(id, await told(server, method));
  } catch (error) {
    if (ServiceError.is(error)) {
      caller.fail(id, error);
      return;
    }
    // Never a crash for the sake of looking: a schema's own converter may throw whatever it likes.
    server.log.error({ err: asError(error), method }, `${method} could not be answered`);
    caller.fail(id, new ServiceError("ABORTED", `${method} could not be answered; the service's log says why`));
  }
}

/** What hardly changes while a service runs, made once: who asked a thousand times in one go would hold up everybody. */
const made: WeakMap<OwnMethodsHost, Map<string, TextContent>> = new WeakMap();

async function told(server: OwnMethodsHost, method: string): Promise<TextContent> {
  if (method === "$queues") return encodeContent((await server.queues?.()) ?? {});
  if (method === "$stats") {
    const { stats } = await import("./introspect.ts");
    return encodeContent(stats(server));
  }
  const texts = made.get(server) ?? new Map<string, TextContent>();
  made.set(server, texts);
  // The broker, and the HTTP port with topics to show, may come later than the first question.
  const name = [method, server.broker, server.httpPort, ...server.httpTopics].join(" ");
  let text = texts.get(name);
  if (text === undefined) {
    text = encodeContent(await description(server, method));
    texts.set(name, text);
  }
  return text;
}

async function description(server: OwnMethodsHost, method: string): Promise<unknown> {
  if (method === "$openapi") {
    const { openApi } = await import("../http/openapi.ts");
    return openApi(server.service, server.httpTopics);
  }
  const { describe } = await import("./introspect.ts");
  return describe(server);
}
