/**
 * etcd's health checks, judged over what the server says of itself. Counts every outcome for the metrics and logs when
 * one changes; how a check is asked for over HTTP is the handler's business.
 */
import type { Clock } from "../clock.ts";
import type { Logger } from "../host/logger.ts";

/** What the server says of itself. */
export interface HealthSource {
  /** How far the start has come, or null when it is over. */
  starting(): string | null;
  /** Names of active alarms in the order raised: `NOSPACE`, `CORRUPT`. */
  alarms(): readonly string[];
  /** Whether writes can be committed at present. */
  hasLeader(): boolean;
  /** Why not, as far as the disk or the machine is the reason. */
  trouble(): string | null;
  /**
   * Reads like a client that asks for one key: a linearizable read waits for what was acknowledged before it.
   *
   * @returns null when the read worked, otherwise the text of its error
   */
  read(linearizable: boolean): Promise<string | null>;
}

export type CheckType = "livez" | "readyz";

/** Which checks make a process live and ready, in the order they are shown. */
export const CHECK_NAMES: Readonly<Record<CheckType, readonly string[]>> = {
  livez: ["serializable_read"],
  readyz: ["data_corruption", "serializable_read", "linearizable_read", "non_learner"],
};

/** The answer to `/livez`, `/readyz` and their parts. */
export interface CheckReport {
  readonly ok: boolean;
  /** One line per check, each ending in a newline. */
  readonly details: string;
}

/** The answer to `/health`: an empty reason is healthy. */
export interface Health {
  readonly healthy: boolean;
  readonly reason: string;
}

/** How often one check went well and not. */
export class CheckCounts {
  readonly type: CheckType | "health";
  readonly name: string;
  succeeded: number;
  failed: number;
  lastSucceeded: boolean;

  constructor(type: CheckType | "health", name: string) {
    this.type = type;
    this.name = name;
    this.succeeded = 0;
    this.failed = 0;
    this.lastSucceeded = true;
  }
}

/** How long a read may take before its check fails: etcd's limit for requests, 5 s and two election timeouts. */
const READ_TIMEOUT_MS = 7_000;

export class HealthChecks {
  readonly #source: HealthSource;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #counts: Map<string, CheckCounts>;

  constructor(source: HealthSource, clock: Clock, logger: Logger) {
    this.#source = source;
    this.#clock = clock;
    this.#logger = logger;
    this.#counts = new Map();
    this.#addCounts("health", "health");
    for (const type of ["livez", "readyz"] as const) {
      for (const name of CHECK_NAMES[type]) {
        this.#addCounts(type, name);
      }
    }
  }

  /** What was counted so far; the objects change as checks run. */
  counts(): Iterable<CheckCounts> {
    return this.#counts.values();
  }

  /**
   * The check behind `/health`: the start is over, no alarm but the excluded ones, a leader unless a serializable read will do, and a read
   * that works.
   */
  async health(serializable: boolean, excludedAlarms: ReadonlySet<string>): Promise<Health> {
    const reason = await this.#findFault(serializable, excludedAlarms);
    this.#record("health", "health", reason);
    return { healthy: reason === null, reason: reason ?? "" };
  }

  /** Runs the checks named, all of which must belong to the type. */
  async run(type: CheckType, names: readonly string[]): Promise<CheckReport> {
    const faults = await Promise.all(names.map((name) => this.#check(name)));
    const lines = names.map((name, i) => {
      this.#record(type, name, faults[i]);
      return faults[i] === null ? `[+]${name} ok\n` : `[-]${name} failed: ${faults[i]}\n`;
    });
    return { ok: faults.every((fault) => fault === null), details: lines.join("") };
  }

  async #findFault(serializable: boolean, excludedAlarms: ReadonlySet<string>): Promise<string | null> {
    const starting = this.#source.starting();
    if (starting !== null) {
      return starting;
    }
    const alarm = this.#source.alarms().find((name) => !excludedAlarms.has(name));
    if (alarm !== undefined) {
      return `ALARM ${alarm}`;
    }
    if (!serializable && !this.#source.hasLeader()) {
      return this.#source.trouble() ?? "RAFT NO LEADER";
    }
    const fault = await this.#read(!serializable);
    return fault === null ? null : `RANGE ERROR:${fault}`;
  }

  async #check(name: string): Promise<string | null> {
    switch (name) {
      case "data_corruption":
        return this.#source.alarms().includes("CORRUPT") ? "alarm activated: CORRUPT" : null;
      case "serializable_read":
        return this.#read(false);
      case "linearizable_read":
        return this.#read(true);
      case "non_learner":
        // There are no learners here.
        return null;
      default:
        throw new Error(`no health check of this name: ${name}`);
    }
  }

  /** Reads, but not longer than the limit. */
  #read(linearizable: boolean): Promise<string | null> {
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(READ_TIMEOUT_MS, () => resolve("context deadline exceeded"));
      this.#source
        .read(linearizable)
        .then(resolve, reject)
        .finally(() => timer.cancel());
    });
  }

  #addCounts(type: CheckType | "health", name: string): void {
    this.#counts.set(`${type}/${name}`, new CheckCounts(type, name));
  }

  #record(type: CheckType | "health", name: string, fault: string | null): void {
    const counts = this.#counts.get(`${type}/${name}`);
    if (counts === undefined) {
      throw new Error(`${type} has no check of this name: ${name}`);
    }
    if (fault === null) {
      counts.succeeded += 1;
    } else {
      counts.failed += 1;
    }
    // Probes come every few seconds: only a change is news.
    const succeeded = fault === null;
    if (succeeded !== counts.lastSucceeded) {
      counts.lastSucceeded = succeeded;
      if (succeeded) {
        this.#logger.info({ type, check: name }, "health check succeeds again");
      } else {
        this.#logger.warn({ type, check: name, error: fault }, "health check failed");
      }
    }
  }
}
