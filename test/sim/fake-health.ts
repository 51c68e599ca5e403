/** What health checks ask of a server, answered as the test says. */
import type { HealthSource } from "../../server/http/health-checks.ts";

export class FakeHealth implements HealthSource {
  start: string | null = null;
  activeAlarms: string[] = [];
  leader = true;
  journalTrouble: string | null = null;
  /** Answers of reads, by kind. A promise may stay open. */
  serializable: Promise<string | null> = Promise.resolve(null);
  linearizable: Promise<string | null> = Promise.resolve(null);

  starting(): string | null {
    return this.start;
  }

  alarms(): string[] {
    return this.activeAlarms;
  }

  hasLeader(): boolean {
    return this.leader;
  }

  trouble(): string | null {
    return this.journalTrouble;
  }

  read(linearizable: boolean): Promise<string | null> {
    return linearizable ? this.linearizable : this.serializable;
  }
}
