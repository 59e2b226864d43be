// A trace goes through a broker: what a durable call's handler does belongs to whoever made the call, however late and however often it is
// run. Run against each broker.
import { context, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect } from "../client/connect.ts";
import { ServiceError } from "../errors.ts";
import { serve } from "../server/serve.ts";
import { method, service } from "../define.ts";
import { AsyncLocalStorageContextManager } from "../tracing/context-manager.suite.ts";
import { openBroker, queueOf } from "./open.ts";

export function traceGoesThrough(url: () => string): void {
  describe("with OpenTelemetry", () => {
    const exporter = new InMemorySpanExporter();
    beforeAll(() => {
      context.setGlobalContextManager(new AsyncLocalStorageContextManager());
      trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
    });
    afterAll(() => {
      trace.disable();
      context.disable();
    });
    const spans = (kind: SpanKind): ReadableSpan[] => exporter.getFinishedSpans().filter((span) => span.kind === kind);

    test("the handler's span is the child of the call's, that of another delivery too, and what the handler calls theirs", async () => {
      const [name, broker] = [`traced-${process.pid}`, url()];
      const far = connect(`far-${process.pid}`, { endpoints: [], durable: ["note"], broker });
      const attempts: number[] = [];
      const work = method({
        durable: true,
        handler: async (_body: unknown, { attempt }) => {
          attempts.push(attempt);
          if (attempt === 1) throw new ServiceError("DOWN", "the bank is down", { retryable: true });
          await far.call("note", "done", { key: "note" });
        },
      });
      const caller = connect(name, { endpoints: [], durable: ["work"], broker });
      const tracer = trace.getTracer("test");
      const root = tracer.startSpan("shop");
      await context.with(trace.setSpan(context.active(), root), () => caller.call("work", "boat", { key: "order-7" }));
      root.end();
      // Its caller is gone when it is run.
      await caller.close();
      const { server } = await serve(service(name, { methods: { work } }), { broker });
      const observer = await openBroker({ url: broker });
      await expect.poll(() => attempts).toEqual([1, 2]);
      await expect.poll(() => observer.depth(queueOf(name, "work"))).toMatchObject({ ready: 0 });
      await expect.poll(() => spans(SpanKind.CONSUMER)).toHaveLength(2);

      const [produced, noted] = spans(SpanKind.PRODUCER);
      const [failed, done] = spans(SpanKind.CONSUMER);
      expect(produced).toMatchObject({
        name: `${name}/work`,
        parentSpanContext: { spanId: root.spanContext().spanId },
        attributes: { "messaging.operation.type": "send" },
      });
      for (const consumed of [failed, done])
        expect(consumed).toMatchObject({
          name: `${name}/work`,
          parentSpanContext: { spanId: produced?.spanContext().spanId, isRemote: true },
          attributes: { "messaging.operation.type": "process" },
        });
      expect(failed).toMatchObject({ attributes: { "wherry.attempt": 1, "error.type": "DOWN" } });
      expect(done).toMatchObject({ attributes: { "wherry.attempt": 2 }, status: { code: SpanStatusCode.UNSET } });
      expect(noted).toMatchObject({ parentSpanContext: { spanId: done?.spanContext().spanId } });
      const traces = exporter.getFinishedSpans().map((span) => span.spanContext().traceId);
      expect(new Set(traces)).toEqual(new Set([root.spanContext().traceId]));
      await Promise.all([far.close(), server.close(), observer.close()]);
    });
  });
}
