/** An engine on a memory journal, as tests without a server around it need it. */
import { Engine } from "../../server/engine/engine.ts";
import type { EngineOptions } from "../../server/engine/engine.ts";
import { systemTurns } from "../../server/clock.ts";
import type { Turns } from "../../server/clock.ts";
import { ManualClock } from "../sim/manual-clock.ts";
import { MemoryJournal, MemoryStore } from "../sim/memory-journal.ts";

export const MEMBER_ID = 7n;

/** An engine that has not begun a reign. Time stands still unless the options bring a clock. */
export function newEngine(options: Partial<EngineOptions> = {}): Engine {
  return new Engine({
    clock: new ManualClock(),
    turns: systemTurns,
    memberId: MEMBER_ID,
    quotaBytes: Number.POSITIVE_INFINITY,
    flush: () => {},
    onJournalFailed: () => {},
    ...options,
  });
}

/** Begins a reign over what is in the store. */
export async function takeOver(
  engine: Engine,
  store = new MemoryStore(),
  turns: Turns = systemTurns,
): Promise<MemoryJournal> {
  let journal: MemoryJournal | null = null;
  await engine.takeOver((listener) => {
    journal = new MemoryJournal(listener, store, turns);
    return Promise.resolve(journal);
  });
  if (journal === null) throw new Error("a reign opens its journal");
  return journal;
}
