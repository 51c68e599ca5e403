/**
 * Goes on with the best that is left of a journal in several zones of which no majority is whole, when somebody has decided so:
 * the best replica becomes the journal's only one, by a list of its own at the end of its log. The others never count again;
 * where a zone is empty, a new one is fed and taken in as it is in a journal that grows.
 *
 * A crash on the way leaves a journal that has no majority still.
 */
import { randomInt } from "node:crypto";
import { FRAME_HEADER_BYTES, KIND_BARRIER, KIND_CONFIGURATION } from "./frame.ts";
import type { AcceptLoss } from "./journal.ts";
import { JournalError } from "./journal.ts";
import { appendCommitted } from "./replica/append-committed.ts";
import { isBlank } from "./replica/blank.ts";
import { encodeConfiguration } from "./replica/configuration.ts";
import type { DirectoryLog, DirectoryLogOptions } from "./replica/directory-log.ts";
import { openDirectoryLog } from "./replica/directory-log.ts";
import type { ReplicaFacts } from "./replica/facts.ts";
import { durably } from "./replica/replica-log.ts";
import { RoomReserve } from "./replica/room-reserve.ts";

export interface SalvageOptions extends Omit<
  DirectoryLogOptions,
  "directory" | "reserve" | "beginning" | "mustExist" | "acceptLoss"
> {
  readonly zones: readonly { readonly zone: string; readonly directory: string }[];
  /** Asked once, before anything is written, when there is something to go on with. */
  readonly acceptLoss: AcceptLoss;
}

/** What is not there, or not intact; anything else that keeps a replica from being opened may pass. */
const LOSSES: ReadonlySet<string> = new Set(["ERR_JOURNAL_CORRUPT", "ERR_JOURNAL_INCOMPLETE"]);

export function isLoss(error: unknown): error is JournalError {
  return error instanceof JournalError && LOSSES.has(error.code);
}

/**
 * @param loss why the journal cannot be opened
 * @throws it when nothing is left to go on with, and what `acceptLoss` rejects with
 */
export async function salvage(options: SalvageOptions, loss: JournalError): Promise<void> {
  const consent = new Consent(options.acceptLoss, loss);
  const left: Left[] = [];
  try {
    for (const { zone, directory } of options.zones) {
      const log = await openWhatIsLeft(options, directory, consent);
      if (log !== null) left.push({ zone, log });
    }
    const best = left.toSorted((a, b) => compare(b.log, a.log)).find(({ log }) => log.lastIndex > 0);
    if (best === undefined) throw loss;
    await consent.ask();
    await goOnAlone(best, Math.max(...left.map(({ log }) => Math.max(log.facts.promised, log.lastEpoch))) + 1);
  } finally {
    for (const { log } of left) await log.close();
  }
}

interface Left {
  readonly zone: string;
  readonly log: DirectoryLog;
}

/** Asks at most once, and keeps the answer. */
class Consent {
  refusal: unknown = null;
  readonly #accept: AcceptLoss;
  readonly #loss: JournalError;
  #isGiven = false;

  constructor(accept: AcceptLoss, loss: JournalError) {
    this.#accept = accept;
    this.#loss = loss;
  }

  readonly ask = async (): Promise<void> => {
    if (this.#isGiven) return;
    try {
      await this.#accept(this.#loss);
      this.#isGiven = true;
    } catch (error) {
      this.refusal = error;
      throw error;
    }
  };
}

/** Null when nothing is there, or nothing that makes sense. */
async function openWhatIsLeft(
  options: SalvageOptions,
  directory: string,
  consent: Consent,
): Promise<DirectoryLog | null> {
  const { disk, segmentBytes } = options;
  if (await isBlank(disk, directory).catch(() => false)) return null;
  const reserve = new RoomReserve(disk, directory, segmentBytes);
  try {
    return await openDirectoryLog({ ...options, directory, reserve, mustExist: true, acceptLoss: consent.ask });
  } catch (error) {
    if (consent.refusal === null && isLoss(error)) return null;
    throw error;
  }
}

/**
 * Which of two logs has more of what was acknowledged: that with the greater last epoch, then the longer; of two that are the
 * same one whose mark is not lost.
 */
function compare(a: DirectoryLog, b: DirectoryLog): number {
  return a.lastEpoch - b.lastEpoch || a.lastIndex - b.lastIndex || a.facts.members.length - b.facts.members.length;
}

async function goOnAlone({ zone, log }: Left, epoch: number): Promise<void> {
  const promised: ReplicaFacts = { ...log.facts, promised: epoch, writer: randomInt(1, 2 ** 48 - 1), isWhole: true };
  await durably((done) => log.remember(promised, done));
  // What is left of it is all that there is.
  log.committed = log.lastIndex;
  const barrier = Buffer.alloc(FRAME_HEADER_BYTES);
  await appendCommitted(log, { bytes: barrier, length: barrier.length, kind: KIND_BARRIER, epoch, records: 0 });
  const members = [{ zone, replicaId: log.facts.replicaId }];
  const bytes = Buffer.concat([Buffer.alloc(FRAME_HEADER_BYTES), encodeConfiguration(members)]);
  await appendCommitted(log, { bytes, length: bytes.length, kind: KIND_CONFIGURATION, epoch, records: 0 });
  await durably((done) => log.remember({ ...promised, members, membersIndex: log.lastIndex }, done));
}
