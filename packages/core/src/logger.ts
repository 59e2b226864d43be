// What the packages need of a logger. pino's loggers satisfy it; `silentLogger` is for tests and libraries without one.

type Log = (fields: Readonly<Record<string, unknown>>, message: string) => void;

export interface Logger {
  readonly debug: Log;
  readonly info: Log;
  readonly warn: Log;
  readonly error: Log;
  /** A logger that adds `fields` to every record. */
  child(fields: Readonly<Record<string, unknown>>): Logger;
}

const nothing: Log = () => undefined;

export const silentLogger: Logger = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  child: () => silentLogger,
};
