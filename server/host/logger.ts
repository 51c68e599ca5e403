/**
 * The server's log: one JSON line per event with etcd's field names (`level`, `ts`, `msg`), so that what reads etcd's
 * log reads this one. `--log-format=console` shows the same as text.
 *
 * Lines are written without waiting for the terminal or disk: a reader that stalls must not stall the server.
 */
import { constants, openSync } from "node:fs";
import process from "node:process";

import pino from "pino";

import type { LogFormat, LogLevel, LogRotation } from "../config/config.ts";
import { systemWallMs } from "../clock.ts";
import { RotatedFile } from "./log-rotation.ts";
import { DescriptorSink } from "./log-sink.ts";
import type { LogSink } from "./log-sink.ts";

export type Logger = pino.Logger<never>;

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** `stderr`, `stdout` or file paths. */
  readonly outputs: readonly string[];
  /** Of files; null when they grow for ever. */
  readonly rotation?: LogRotation | null;
}

/** A logger and what ends it. */
export interface OpenLog {
  readonly logger: Logger;
  /** Opens its files anew by their names, for who has moved them away. */
  reopen(): void;
  /** Tries once to write out what is still held, before this returns: for a process that must not go on. */
  flush(): void;
  /** Resolves when all is written that somebody takes. Call it last before the process exits. */
  drain(): Promise<void>;
}

/**
 * Opens the outputs and the log.
 *
 * @throws when a file cannot be opened
 */
export function openLog(options: LoggerOptions): OpenLog {
  const { rotation = null } = options;
  const outputs = options.outputs.map((output) => {
    const descriptor = openDescriptor(output);
    const file =
      rotation === null || isStandard(output)
        ? null
        : new RotatedFile(output, rotation, {
            wallMs: systemWallMs,
            replace: (next) => sink.replace(next),
            onFailed: (what, error) => logger.error({ output, error }, what),
          });
    const onRecovered = (total: number): void => {
      // An error, as any line may have been among them.
      logger.error({ output, "dropped-total": total }, "log lines were dropped, as they could not be written");
    };
    const sink = new DescriptorSink(descriptor, onRecovered, file === null ? null : (bytes) => file.beforeWrite(bytes));
    file?.opened(descriptor);
    return { output, sink, file };
  });
  const sinks = outputs.map(({ sink }) => sink);
  const sink: LogSink = {
    write: (line) => {
      for (const each of sinks) {
        each.write(line);
      }
    },
    flushSync: () => {
      for (const each of sinks) {
        each.flushSync();
      }
    },
  };
  const logger = createLogger(options, sink);
  const reopen = (): void => {
    for (const each of outputs) {
      if (isStandard(each.output)) continue;
      try {
        const descriptor = openDescriptor(each.output);
        each.sink.replace(descriptor);
        each.file?.opened(descriptor);
      } catch (error) {
        logger.error({ output: each.output, error }, "the log could not be opened again; it goes on where it was");
      }
    }
  };
  return {
    logger,
    reopen,
    flush: () => sink.flushSync(),
    drain: async () => {
      await Promise.all(sinks.map((each) => each.drain()));
    },
  };
}

function isStandard(output: string): boolean {
  return output === "stderr" || output === "stdout";
}

/** A logger that writes to the sink given. */
export function createLogger(options: Pick<LoggerOptions, "level" | "format">, sink: LogSink): Logger {
  const forPeople: LogSink = { write: (line) => sink.write(consoleLine(line)), flushSync: () => sink.flushSync() };
  return pino(
    {
      // Nothing here logs at etcd's panic level: as a threshold it means the same as fatal.
      level: options.level === "panic" ? "fatal" : options.level,
      base: null,
      timestamp: () => `,"ts":"${new Date().toISOString()}"`,
      formatters: { level: (level) => ({ level }), log: rounded },
      serializers: { error: describeError },
      // An error that ends the process is looked for in the code, so say where it was.
      mixin: (fields: object, level) =>
        level === FATAL && "error" in fields && fields.error instanceof Error ? { stacktrace: fields.error.stack } : {},
    },
    options.format === "console" ? forPeople : sink,
  );
}

/** An error as one line: its message, then those of its causes that it does not repeat. Other values as they are. */
export function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) {
    return error;
  }
  let text = error.message;
  for (const { message } of causesOf(error)) {
    if (!text.includes(message)) text += `: ${message}`;
  }
  return text;
}

/** What an error was caused by, from the outside in, as far as causes are errors. */
export function causesOf(error: Error): Error[] {
  const causes: Error[] = [];
  let { cause } = error;
  while (cause instanceof Error && causes.length < CAUSES_MAX) {
    causes.push(cause);
    cause = cause.cause;
  }
  return causes;
}

/** Numbers are for people: a tenth of a millisecond is more than a clock is good for. */
function rounded(fields: Record<string, unknown>): Record<string, unknown> {
  const entries = Object.entries(fields);
  if (entries.every(([, value]) => typeof value !== "number" || Number.isInteger(value))) return fields;
  return Object.fromEntries(
    entries.map(([name, value]) => [name, typeof value === "number" ? Math.round(value * 10) / 10 : value]),
  );
}

const FATAL = pino.levels.values["fatal"];

/** A chain of causes may be a ring. */
const CAUSES_MAX = 7;

/** Opens it so that a write to a pipe or socket that is full fails instead of waiting. */
function openDescriptor(output: string): number {
  // Node puts these into that mode when they are first asked for; their descriptors are ours to write to all the same.
  if (output === "stderr") return process.stderr.fd;
  if (output === "stdout") return process.stdout.fd;
  const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK } = constants;
  return openSync(output, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0o600);
}

/** `2026-01-02T03:04:05.678Z	info	some message	{"field":1}`, as etcd's console format. */
function consoleLine(line: string): string {
  const { level, ts, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const rest = Object.keys(fields).length === 0 ? "" : `\t${JSON.stringify(fields)}`;
  return `${String(ts)}\t${String(level)}\t${String(msg ?? "")}${rest}\n`;
}
