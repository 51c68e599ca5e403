/** A log that goes nowhere: it keeps the lines that it is given. */
import type { LogSink } from "../../server/host/log-sink.ts";

export class LogLines implements LogSink {
  readonly lines: string[] = [];
  flushes = 0;

  write(line: string): void {
    this.lines.push(line);
  }

  flushSync(): void {
    this.flushes += 1;
  }

  /** The lines' fields, of a log in JSON. */
  get records(): Record<string, unknown>[] {
    return this.lines.map((line) => JSON.parse(line) as Record<string, unknown>); // Every line is an object.
  }
}
