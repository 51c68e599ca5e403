/** An engine on a memory journal, as tests without a server around it need it. */
import { Engine } from "../../server/engine/engine.ts";
import type { CommandKind } from "../../server/engine/command.ts";
import type { EventLog } from "../../server/engine/event-log.ts";
import type { EngineOptions } from "../../server/engine/engine.ts";
import { recordOf } from "../../server/engine/record.ts";
import { Refusal } from "../../partitions/refusals.ts";
import { DEFAULT_PARTITIONS } from "../../server/config/partition-settings.ts";
import { systemTurns } from "../../server/clock.ts";
import type { Turns } from "../../server/clock.ts";
import { ManualClock } from "../sim/manual-clock.ts";
import { MemoryJournal, MemoryStore } from "../sim/memory-journal.ts";

export const MEMBER_ID = 7n;

/** Nobody reads it. */
export const NO_LOG: EventLog = { info: () => {}, warn: () => {} };

/** An engine that has not begun a reign. Time stands still unless the options bring a clock. */
export function newEngine(options: Partial<EngineOptions> = {}): Engine {
  return new Engine({
    clock: new ManualClock(),
    turns: systemTurns,
    memberId: MEMBER_ID,
    partitions: DEFAULT_PARTITIONS,
    quotaBytes: Number.POSITIVE_INFINITY,
    memory: { isShortWith: () => false, fullWith: () => null },
    warningApplyMs: 100,
    warningRequestMs: 300,
    log: NO_LOG,
    shelf: null,
    selfCheck: null,
    snapshotTail: { bytes: Infinity, records: Infinity },
    wallMs: () => 0,
    isAlone: true,
    flush: () => {},
    onJournalFailed: () => {},
    onJournalStalled: () => {},
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

/** Proposes a command and waits until it has been executed. Rejects with the refusal when it is refused or lost. */
export function execute<Request, Response>(
  { proposer }: Engine,
  kind: CommandKind<Request, Response>,
  request: Request,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const refused = proposer.propose(kind, request, recordOf(kind, kind.encode(request)), {
      onApplied: (outcome) => (outcome instanceof Refusal ? reject(outcome) : resolve(outcome)),
      onLost: reject,
    });
    if (refused !== null) reject(refused);
  });
}
