/**
 * A log in which no message can crowd out the others: of each text the first few lines in a while are written, the rest
 * are counted, and the count is told at the end of it. For what clients and circumstances can bring about at any rate.
 */
import type { Clock } from "../clock.ts";
import type { Logger } from "./logger.ts";

type Level = "info" | "warn" | "error";
type Fields = Readonly<Record<string, unknown>>;

/** So many lines with one text are written in a period; more are counted. */
export const LINES_PER_PERIOD_MAX = 10;
export const LINES_PERIOD_MS = 10_000;

/** One text's lines since a moment. */
interface Period {
  readonly level: Level;
  readonly begunMs: number;
  lines: number;
}

export class LimitedLog {
  readonly #logger: Logger;
  readonly #clock: Clock;
  /** By message. As many as there are texts in the code. */
  readonly #periods = new Map<string, Period>();

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  info(fields: Fields, message: string): void {
    this.#log("info", fields, message);
  }

  warn(fields: Fields, message: string): void {
    this.#log("warn", fields, message);
  }

  error(fields: Fields, message: string): void {
    this.#log("error", fields, message);
  }

  #log(level: Level, fields: Fields, message: string): void {
    const period = this.#periodOf(level, message);
    period.lines++;
    if (period.lines <= LINES_PER_PERIOD_MAX) return this.#logger[level](fields, message);
    if (period.lines > LINES_PER_PERIOD_MAX + 1) return;
    const leftMs = period.begunMs + LINES_PERIOD_MS - this.#clock.nowMs();
    this.#clock.after(Math.max(leftMs, 0), () => this.#tellRest(message, period));
  }

  /** The message's running period, else a new one. Who tells of the rest ends it. */
  #periodOf(level: Level, message: string): Period {
    const running = this.#periods.get(message);
    const nowMs = this.#clock.nowMs();
    if (running !== undefined && (running.lines > LINES_PER_PERIOD_MAX || nowMs - running.begunMs < LINES_PERIOD_MS)) {
      return running;
    }
    const begun = { level, begunMs: nowMs, lines: 0 };
    this.#periods.set(message, begun);
    return begun;
  }

  #tellRest(message: string, { level, lines }: Period): void {
    this.#periods.delete(message);
    const suppressed = lines - LINES_PER_PERIOD_MAX;
    this.#logger[level]({ suppressed, of: message, "period-ms": LINES_PERIOD_MS }, "more lines of the same kind");
  }
}
