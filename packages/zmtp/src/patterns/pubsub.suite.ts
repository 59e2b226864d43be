// What tests of publishing share: sockets that are closed after each test, and readers of whose subscription the publisher is known to
// have heard.
import { afterEach, expect } from "vitest";
import { text, until } from "../harness.suite.ts";
import type { AnySocket, ReceivingSocket, Subscribing } from "../index.ts";

/** What is closed after each test. */
export const open: (() => unknown)[] = [];
export const keep = <T extends AnySocket>(socket: T): T => {
  open.push(() => socket.close({ lingerMs: 50 }));
  return socket;
};
afterEach(async () => {
  await Promise.all(open.splice(0).map((close) => close()));
});
export const anyPort = "tcp://127.0.0.1:*";
export const patience = (): AbortSignal => AbortSignal.timeout(60_000);
export const next = async (socket: ReceivingSocket): Promise<string[]> => text(await socket.receive(patience()));

let markers = 0;

/** Subscribes, and waits until the publisher knows: it then hears of a topic that is new for the test. */
export async function subscribed(news: AnyPublisher, ...readers: (ReceivingSocket & Subscribing)[]): Promise<void> {
  for (const reader of readers) {
    const marker = `marker-${++markers}`;
    reader.subscribe(marker);
    await until(() => news.send(marker) === "sent");
    expect(await next(reader)).toEqual([marker]);
  }
}
interface AnyPublisher {
  send(message: string): string;
}
