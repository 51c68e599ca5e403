/**
 * The engine on turns that a seed decides: what a run did can be had again, turn by turn, and whatever the order of commits,
 * slices of removal and slices of catching up, every watch is told of everything once and in order.
 */
import { expect, test } from "vitest";
import { putRequest } from "../../../bench/client/requests.ts";
import { Refusal } from "../../../partitions/refusals.ts";
import type { EventList } from "../../../partitions/watch/event-list.ts";
import type { Watcher } from "../../../partitions/watch/watcher.ts";
import { decodeEvent } from "../../../proto/encoded-event.ts";
import { PUT } from "../../../server/engine/kv-commands.ts";
import { recordOf } from "../../../server/engine/record.ts";
import { MemoryStore } from "../../sim/memory-journal.ts";
import { SeededTurns } from "../../sim/seeded-turns.ts";
import { seededRandom } from "../../sim/simulated-disk.ts";
import { eventsOf } from "../../support/events-of.ts";
import { newEngine, takeOver } from "../../support/engines.ts";

const SEEDS = 20;
const STEPS = 400;
const KEYS = ["a", "b", "c"];
const WATCHES_MAX = 8;

interface Run {
  /** What happened, in order. */
  readonly transcript: readonly string[];
  /** The revisions each watch was told of, and the first it asked for. */
  readonly watches: readonly { readonly from: number; readonly told: number[] }[];
  readonly revision: number;
}

/** Plays what the seed says on an engine whose every turn the seed decides, too. */
async function play(seed: number): Promise<Run> {
  const random = seededRandom(seed);
  const turns = new SeededTurns(random);
  const transcript: string[] = [];
  const watches: { from: number; told: number[] }[] = [];
  const paused: Watcher[] = [];
  const engine = newEngine({ turns, flush: () => transcript.push("flush") });
  const { keyspace, catchUp, proposer } = engine;
  await takeOver(engine, new MemoryStore(), turns);

  const write = (key: string): void => {
    const request = putRequest(key);
    proposer.propose(PUT, request, recordOf(PUT, PUT.encode(request)), {
      onApplied: (outcome) => transcript.push(`put ${outcome instanceof Refusal ? outcome.message : key}`),
      onLost: (reason) => transcript.push(`lost ${reason.message}`),
    });
  };
  const watch = (back: number): void => {
    const from = Math.max(keyspace.compactRevision, keyspace.revision + 1 - back, 2);
    const told: number[] = [];
    const number = watches.push({ from, told });
    const sink = {
      deliver(watcher: Watcher, _: number, events: EventList): boolean {
        for (const event of eventsOf(events)) told.push(decodeEvent(event).kv?.modRevision ?? 0);
        transcript.push(`watch ${number} ${told.at(-1)}`);
        const hasRoom = random() > 0.3;
        if (!hasRoom) paused.push(watcher);
        return hasRoom;
      },
      compacted: (): void => void transcript.push(`watch ${number} compacted`),
    };
    const fields = { startRevision: from, filters: [], prevKv: false, sink };
    keyspace.watchers.create({ key: Buffer.from("a"), rangeEnd: Buffer.from("z"), ...fields });
    catchUp.run();
  };
  const resume = (): void => {
    for (const watcher of paused.splice(0)) keyspace.watchers.resume(watcher);
    catchUp.run();
  };

  for (let step = 0; step < STEPS; step++) {
    const dice = random();
    if (dice < 0.4) write(KEYS[Math.floor(random() * KEYS.length)]);
    else if (dice < 0.45 && watches.length < WATCHES_MAX) watch(Math.floor(random() * 50));
    else if (dice < 0.5) resume();
    // Only what every watch was told of goes: none of them is to be ended here.
    else if (dice < 0.52 && paused.length === 0) void engine.compact(keyspace.watchers.flushedRevision);
    else await turns.turn();
  }
  do {
    resume();
    await turns.settle();
  } while (paused.length > 0);
  keyspace.verify();
  return { transcript, watches, revision: keyspace.revision };
}

test("the same seed gives the same turns, and another one others", async () => {
  const runs = [await play(1), await play(1), await play(2)];
  expect(runs[1]).toEqual(runs[0]);
  expect(runs[2].transcript).not.toEqual(runs[0].transcript);
});

test("whatever the order of turns, every watch is told of everything once and in order", async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { watches, revision, transcript } = await play(seed);
    expect(watches.length).toBeGreaterThan(0);
    for (const [index, { from, told }] of watches.entries()) {
      const isEnded = transcript.includes(`watch ${index + 1} compacted`);
      const expected = Array.from({ length: Math.max(0, revision + 1 - from) }, (_, i) => from + i);
      expect(told, `seed ${seed}`).toEqual(isEnded ? expected.slice(0, told.length) : expected);
    }
  }
});
