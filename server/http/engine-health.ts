/** What the engine says of its own health (contract §9.4). */
import type { Engine } from "../engine/engine.ts";
import type { HealthSource } from "./health-checks.ts";
import { ALARM_NOSPACE } from "../../proto/rare.ts";

export class EngineHealth implements HealthSource {
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  starting(): string | null {
    return this.#engine.start.describe();
  }

  alarms(): string[] {
    return this.#engine.keyspace.alarms().map(({ alarm }) => (alarm === ALARM_NOSPACE ? "NOSPACE" : "CORRUPT"));
  }

  /** A server whose journal is not written commits nothing, which is what having no leader means to a prober. */
  hasLeader(): boolean {
    return this.#engine.proposer.isWritable;
  }

  trouble(): string | null {
    const { trouble } = this.#engine.proposer;
    return trouble === null ? null : `JOURNAL ${trouble.state.toUpperCase()}: ${trouble.reason}`;
  }

  /** Reads are answered from memory; a linearizable one says something about writes, too. */
  read(linearizable: boolean): Promise<string | null> {
    if (!linearizable) return Promise.resolve(null);
    const { proposer, reads } = this.#engine;
    const fault = this.starting() ?? proposer.failure?.message ?? this.trouble();
    if (fault !== null) return Promise.resolve(fault);
    return new Promise((resolve) => reads.whenOpen((refusal) => resolve(refusal?.message ?? null)));
  }
}
