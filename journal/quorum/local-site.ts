/** A replica in a directory of this process: looked at, made, and from then on open, or tried again. */
import assert from "node:assert/strict";
import { JournalError } from "../journal.ts";
import { incomplete, ioError } from "../journal-errors.ts";
import type { ReplicaTally } from "../journal-tally.ts";
import { isBlank } from "../replica/blank.ts";
import type { DirectoryLog } from "../replica/directory-log.ts";
import { isMissing } from "../replica/disk.ts";
import type { Member } from "../replica/facts.ts";
import type { AskForFrames } from "../replica/gap.ts";
import type { ReplicaRequest } from "../replica/messages.ts";
import { FETCH_BYTES } from "../replica/replica.ts";
import type { LocalReplicaOptions } from "./local-replica.ts";
import { LocalReplica } from "./local-replica.ts";
import type { Described, Membership, ReplicaSite } from "./replica-site.ts";
import { refusalOf } from "./replica-site.ts";

/** Its names are chosen when it is made. */
export interface LocalSiteOptions extends Omit<
  LocalReplicaOptions,
  "newClusterId" | "newSalt" | "mustExist" | "refusal"
> {
  /** Where it is kept how the replica is, over reigns. */
  readonly tally?: ReplicaTally | undefined;
}

const BLANK: Described = { clusterId: "", salt: 0, replicaId: 0, lastIndex: 0, members: [], membersIndex: 0 };

export class LocalSite implements ReplicaSite {
  readonly zone: string;
  readonly place: string;
  trouble: JournalError | null = null;
  readonly #options: LocalSiteOptions;
  #replica: LocalReplica | null = null;
  #isBlank = false;
  #membership: Membership | null = null;

  constructor(options: LocalSiteOptions) {
    this.#options = options;
    this.zone = options.zone;
    this.place = options.directory;
  }

  get described(): Described | null {
    if (this.#isBlank) return BLANK;
    const log = this.#replica?.host.log ?? null;
    return log === null ? null : describe(log);
  }

  /** The log, while the replica is open. */
  get log(): DirectoryLog | null {
    return this.#replica?.host.log ?? null;
  }

  /** Opens what is there, unless it is open. What keeps it from that is its trouble. */
  async look(): Promise<void> {
    if (this.#replica !== null) return;
    this.trouble = null;
    try {
      this.#isBlank = await isBlank(this.#options.disk, this.place);
      if (!this.#isBlank) this.#replica = await this.#open("", 0, true);
    } catch (error) {
      this.#note(ioError(this.place, "looking at the replica", error));
    }
  }

  /**
   * Opens one that is damaged, with what others give.
   *
   * @returns whether it is open; what keeps it from that is its trouble
   */
  async repair(askForFrames: AskForFrames): Promise<boolean> {
    const { trouble } = this;
    if (trouble === null || !trouble.isDamage) return false;
    try {
      this.#replica = await LocalReplica.open({ ...this.#replicaOptions("", 0, true), askForFrames });
      this.#options.tally?.noteDamage(trouble);
      this.trouble = null;
      return true;
    } catch (error) {
      this.#note(ioError(this.place, "repairing the replica", error));
      return false;
    }
  }

  async committedFrames(from: number, to: number): Promise<readonly Buffer[]> {
    const log = this.#replica?.host.log ?? null;
    if (log === null || from < log.first || from > log.committed) return [];
    return log.read(from, Math.min(to, log.committed), FETCH_BYTES).catch(() => []);
  }

  async make(clusterId: string, salt: number): Promise<void> {
    if (this.#replica !== null) return;
    this.#replica = await this.#open(clusterId, salt, false);
    this.#isBlank = false;
  }

  async list(members: readonly Member[]): Promise<void> {
    await this.#ask({ kind: "list", seq: 0, members });
  }

  /** The journal's replicas are known: one that is none of them is closed, and one that is not open is tried again. */
  async settle(membership: Membership): Promise<LocalReplica> {
    this.#membership = membership;
    const { clusterId, salt } = membership;
    if (this.#isBlank && (await this.#isAway(membership))) this.#isBlank = false;
    const isLost = this.#isBlank;
    if (isLost) await this.#makeAnew(membership);
    const { described } = this;
    const refusal = described === null ? null : refusalOf(this, described, membership);
    if (this.#replica !== null && refusal === null) return this.#replica;
    // Nothing was written to it: what its files say to being closed does not matter.
    await this.#replica?.close().catch(() => undefined);
    this.#isBlank = false;
    if (refusal !== null) this.#note(refusal);
    assert(this.trouble !== null, "a replica that is not open has said why");
    this.#replica = LocalReplica.openLater(this.#replicaOptions(clusterId, salt, !isLost), this.trouble);
    return this.#replica;
  }

  /** A directory that is gone is more likely on a volume that is not mounted than lost: who has lost it makes an empty one. */
  async #isAway({ members }: Membership): Promise<boolean> {
    if (!members.some(({ zone }) => zone === this.zone)) return false;
    try {
      await this.#options.disk.list(this.place);
      return false;
    } catch (error) {
      const why = "the replica that was made here is missing: is its volume mounted? An empty directory is made anew";
      this.#note(isMissing(error) ? incomplete(this.place, why) : ioError(this.place, "looking at the replica", error));
      return true;
    }
  }

  /** The replica that was here is lost. What keeps it from being made is its trouble; then it is tried again. */
  async #makeAnew({ clusterId, salt }: Membership): Promise<void> {
    try {
      await this.make(clusterId, salt);
    } catch (error) {
      this.#note(ioError(this.place, "making the replica", error));
      this.#isBlank = false;
    }
  }

  async close(): Promise<void> {
    await this.#replica?.close();
  }

  #note(trouble: JournalError): void {
    this.trouble = trouble;
    this.#options.tally?.note(trouble);
  }

  #ask(request: ReplicaRequest): Promise<void> {
    const replica = this.#replica;
    assert(replica !== null, "only a replica that is open is asked");
    return new Promise((resolve, reject) => {
      replica.host.handle(request, (answer) => {
        if (answer.kind !== "failed") return resolve();
        reject(replica.host.trouble ?? new JournalError("ERR_JOURNAL_IO", `${this.place}: ${answer.reason}`));
      });
    });
  }

  #open(clusterId: string, salt: number, mustExist: boolean): Promise<LocalReplica> {
    return LocalReplica.open(this.#replicaOptions(clusterId, salt, mustExist));
  }

  #replicaOptions(clusterId: string, salt: number, mustExist: boolean): LocalReplicaOptions {
    return {
      ...this.#options,
      newClusterId: clusterId,
      newSalt: salt,
      mustExist,
      refusal: (log) => (this.#membership === null ? null : refusalOf(this, describe(log), this.#membership)),
    };
  }
}

function describe({ clusterId, salt, last, facts }: DirectoryLog): Described {
  const { replicaId, members, membersIndex } = facts;
  return { clusterId, salt, replicaId, lastIndex: last.index, members, membersIndex };
}
