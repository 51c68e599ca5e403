/** A store in memory that several servers share: one writes, the others follow it and wait, and who takes over fences it. */
import type { JournalListener, JournalStore, RecordRun } from "../../journal/journal.ts";
import { JournalError } from "../../journal/journal.ts";
import { MemoryJournal, type MemoryStore } from "./memory-journal.ts";

/** What the servers share. */
export class SharedJournal {
  readonly store: MemoryStore;
  writer: MemoryJournal | null = null;
  /** What the next attempts to take over meet. */
  readonly refusals: JournalError[] = [];

  constructor(store: MemoryStore) {
    this.store = store;
  }
}

export class MemoryJournalStore implements JournalStore {
  readonly clusterId = "00".repeat(16);
  readonly writer = "another at http://10.0.0.1:2379";
  readonly #shared: SharedJournal;

  constructor(shared: SharedJournal) {
    this.#shared = shared;
  }

  get committed(): number {
    const { first, records } = this.#shared.store;
    return first - 1 + records.length;
  }

  async *follow(position: number, signal: AbortSignal): AsyncGenerator<RecordRun, void, undefined> {
    for (let next = position; !signal.aborted;) {
      const { first, records } = this.#shared.store;
      if (next < first) throw new JournalError("ERR_TRIMMED", `record ${next} was trimmed`);
      const record = records.at(next - first);
      if (next > this.committed || record === undefined) await turn();
      else yield { first: next++, count: 1, bytes: () => record };
    }
  }

  async untilVacant(signal: AbortSignal): Promise<boolean> {
    while (this.#shared.writer !== null && !signal.aborted) await turn();
    return !signal.aborted;
  }

  takeOver(listener: JournalListener): Promise<MemoryJournal> {
    const refusal = this.#shared.refusals.shift();
    if (refusal !== undefined) return Promise.reject(refusal);
    const journal = new MemoryJournal(listener, this.#shared.store);
    const before = this.#shared.writer;
    this.#shared.writer = journal;
    before?.end(new JournalError("ERR_JOURNAL_FENCED", `another writer has the journal, in epoch ${journal.epoch}`));
    return Promise.resolve(journal);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
