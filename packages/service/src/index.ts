// Write a service as plain functions; call one as typed methods.
import "./process/early-signals.ts";
export { connect } from "./client/connect.ts";
export type { Discovery, DiscoveryProblem, Target } from "./client/discovery.ts";
export type { DnsOptions } from "./client/dns.ts";
export type { Resolver, ServiceRecord } from "./client/dns-resolver.ts";
export type {
  Balance,
  BreakerOptions,
  CallOptions,
  CircuitState,
  Client,
  ClientBase,
  ClientCounters,
  ClientMiddleware,
  ConnectOptions,
  Fallback,
  HedgeOptions,
  MethodOptions,
  OutgoingCall,
  OutlierOptions,
  RetryOptions,
} from "./client/types.ts";
export type {
  ItemsOut,
  ItemStream,
  OutDefinition,
  InDefinition,
  BothDefinition,
  StreamContext,
  StreamHandle,
  StreamKind,
  StreamOptions,
} from "./stream/types.ts";
export {
  type PublishOptions,
  type Published,
  type SubscribeOptions,
  type Subscription,
  type TopicEvent,
  type Topics,
  unchecked,
} from "./topic.ts";
export type { QueuesDescription } from "./durable/queues.ts";
export type {
  MethodDescription,
  MethodStats,
  SchemaDescription,
  ServiceDescription,
  ServiceStats,
} from "./server/introspect.ts";
export { configure, override } from "./config/configure.ts";
export type {
  BooleanSetting,
  ListSetting,
  NumberSetting,
  Setting,
  Settings,
  SettingValue,
  SettingValues,
  StringSetting,
} from "./config/types.ts";
export type { ClientCurve, ServiceCurve } from "./curve/types.ts";
export {
  type Contract,
  type ContractHandler,
  type ContractHandlers,
  isErrorOf,
  type MethodContract,
  type MethodError,
  type TypedError,
} from "./contract.ts";
export type { ErrorContracts } from "./method-errors.ts";
export { openBroker, type OpenBrokerOptions, queueOf } from "./durable/open.ts";
export type { Broker, DeadLetter } from "./durable/types.ts";
export { currentContext } from "./current-context.ts";
export { type RequestFate, ServiceError, type ServiceErrorOptions } from "./errors.ts";
export type { HttpRoutes } from "./http/route.ts";
export type { HttpOptions } from "./http/source.ts";
export type { Log, LogFields, LogMethod } from "./log/types.ts";
export {
  type Counter,
  counter,
  type Gauge,
  gauge,
  type Histogram,
  type HistogramOptions,
  histogram,
  type Labels,
  type MetricOptions,
} from "./metrics/custom.ts";
export { type ProbeOptions, type ProbeResult, probe } from "./probe.ts";
export { adminPortDefault, httpPortDefault, messagingPortDefault } from "./process/config.ts";
export { log } from "./process/process-log.ts";
export { type Running, type RunOptions, run } from "./process/run.ts";
export type { Codec } from "./protocol/content.ts";
export { frameworkCodes, type FrameworkCode } from "./protocol/codes.ts";
export type { Schema, SchemaInput, SchemaIssue, SchemaOutput, SchemaResult } from "./schema.ts";
export { type ServeOptions, type Serving, serve } from "./server/serve.ts";
export type { Ending } from "./server/hand-back.ts";
export type { Server } from "./server/server.ts";
export type { AnyMethod, Methods, MethodsOf, Service, ServiceDefinition, ServiceOptions } from "./service.ts";
export type {
  AnyMethodDefinition,
  Durable,
  DurableOptions,
  DurableReceipt,
  InputOf,
  MethodDefinition,
  OutputOf,
} from "./method.ts";
export type {
  Authorize,
  Handler,
  IncomingRequest,
  Middleware,
  RawContext,
  RawHandler,
  RawReply,
  RequestContext,
  RequestState,
} from "./handler.ts";
export { method, service } from "./define.ts";
