/** An operator who keeps what he is told. */
import type { EventLog } from "../../server/engine/event-log.ts";

export class KeptEvents implements EventLog {
  /** Fields, level and message of each line. */
  readonly events: Record<string, unknown>[] = [];

  info(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.events.push({ ...fields, level: "info", message });
  }

  warn(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.events.push({ ...fields, level: "warn", message });
  }

  /** Those with that message. */
  of(message: string): Record<string, unknown>[] {
    return this.events.filter((event) => event["message"] === message);
  }
}
