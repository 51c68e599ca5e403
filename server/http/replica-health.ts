/** What a replica says of its own health. One that is blank is well: it waits to be made. */
import type { HealthSource } from "./health-checks.ts";

export class ReplicaHealth implements HealthSource {
  readonly #reason: () => string | null;

  /** @param reason why it does not keep what it is sent, in words that name no file; null while it does */
  constructor(reason: () => string | null) {
    this.#reason = reason;
  }

  starting(): null {
    return null;
  }

  alarms(): string[] {
    return [];
  }

  hasLeader(): boolean {
    return this.#reason() === null;
  }

  trouble(): string | null {
    const reason = this.#reason();
    return reason === null ? null : `REPLICA STALLED: ${reason}`;
  }

  /** What stands for a linearizable read is whether it keeps what it is sent. */
  read(linearizable: boolean): Promise<string | null> {
    return Promise.resolve(linearizable ? this.trouble() : null);
  }
}
