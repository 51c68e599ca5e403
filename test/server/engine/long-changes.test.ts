/** Changes of very many keys: they are executed in slices, of which nobody sees anything before the last. */
import { describe, expect, test } from "vitest";
import { deleteRequest, putRequest, rangeRequest } from "../../../bench/client/requests.ts";
import { closed } from "../../../journal/journal-errors.ts";
import { Refusal } from "../../../partitions/refusals.ts";
import type { EventList } from "../../../partitions/watch/event-list.ts";
import type { Watcher } from "../../../partitions/watch/watcher.ts";
import { decodeEvent } from "../../../proto/encoded-event.ts";
import type { RequestOp } from "../../../proto/messages.ts";
import type { AnyCommandKind, CommandKind } from "../../../server/engine/command.ts";
import type { Engine } from "../../../server/engine/engine.ts";
import { DELETE_RANGE, PUT, TXN } from "../../../server/engine/kv-commands.ts";
import { LEASE_EXPIRY, LEASE_GRANT, LEASE_REVOKE } from "../../../server/engine/lease-commands.ts";
import { recordOf } from "../../../server/engine/record.ts";
import { CHANGE_SLICE_KEYS, PROPOSAL_TIMEOUT_MS } from "../../../server/limits.ts";
import { ManualClock } from "../../sim/manual-clock.ts";
import { MemoryStore } from "../../sim/memory-journal.ts";
import type { MemoryJournal } from "../../sim/memory-journal.ts";
import { SeededTurns } from "../../sim/seeded-turns.ts";
import { seededRandom } from "../../sim/simulated-disk.ts";
import { eventsOf } from "../../support/events-of.ts";
import { newEngine, takeOver } from "../../support/engines.ts";

const KEYS = 2 * CHANGE_SLICE_KEYS + 500;
const LEASE = 7n;
const PREFIX = "/registry/events/";
const PREFIX_END = "/registry/events0";

const deletion = deleteRequest(PREFIX, PREFIX_END);
const operations: RequestOp[] = [
  { case: "put", request: putRequest("/registry/events/new") },
  { case: "deleteRange", request: deletion },
  { case: "put", request: putRequest("/registry/events/newer") },
];

/** Each deletes all the keys, in one command; the txn leaves one of its own. */
const LONG: readonly { readonly kind: AnyCommandKind; readonly request: unknown; readonly left: number }[] = [
  { kind: DELETE_RANGE, request: deletion, left: 0 },
  { kind: TXN, request: { compare: [], success: operations, failure: [] }, left: 1 },
  { kind: LEASE_REVOKE, request: { ID: LEASE }, left: 0 },
  { kind: LEASE_EXPIRY, request: { ID: LEASE }, left: 0 },
].map(({ kind, ...fields }) => ({ kind: kind as unknown as AnyCommandKind, ...fields }));

class World {
  readonly turns: SeededTurns;
  readonly store = new MemoryStore();
  readonly engine: Engine;
  readonly told: string[] = [];
  #journal: MemoryJournal | null = null;

  readonly clock = new ManualClock();

  constructor(seed: number) {
    this.turns = new SeededTurns(seededRandom(seed));
    this.engine = newEngine({ turns: this.turns, clock: this.clock });
  }

  get journal(): MemoryJournal {
    if (this.#journal === null) throw new Error("no reign has begun");
    return this.#journal;
  }

  /** Begins a reign, in turns. */
  async reign(): Promise<void> {
    this.#journal = null;
    const begin = async (): Promise<void> => {
      this.#journal = await takeOver(this.engine, this.store, this.turns);
    };
    const begun = begin();
    while (this.#journal === null) await this.turns.turn();
    await begun;
  }

  propose<Request, Response>(kind: CommandKind<Request, Response>, request: Request, name: string = kind.name): void {
    const refused = this.engine.proposer.propose(kind, request, recordOf(kind, kind.encode(request)), {
      onApplied: (outcome) => this.told.push(outcome instanceof Refusal ? `${name}: ${outcome.message}` : name),
      onLost: () => this.told.push(`${name} lost`),
    });
    expect(refused).toBeNull();
  }

  /** Begins a reign, and puts all the keys, which have the lease. */
  async fill(): Promise<void> {
    await this.reign();
    this.propose(LEASE_GRANT, { ID: LEASE, TTL: 60 });
    for (let i = 0; i < KEYS; i++) {
      // Not in the order of the keys.
      const name = String((i * 7_919) % KEYS).padStart(5, "0");
      this.propose(PUT, putRequest(`${PREFIX}${name}`, "v", { lease: LEASE }));
    }
    await this.turns.settle();
    expect(this.count()).toBe(KEYS);
    this.told.length = 0;
  }

  count(revision = 0): number {
    const response = this.engine.keyspace.range(
      rangeRequest(PREFIX, { rangeEnd: Buffer.from(PREFIX_END), countOnly: true, revision }),
    );
    if (response instanceof Refusal) throw new Error(response.message);
    return response.count;
  }

  /** What a reader sees of the keys. */
  seen(): unknown {
    const { keyspace } = this.engine;
    const last = keyspace.range(rangeRequest(PREFIX, { rangeEnd: Buffer.from(PREFIX_END), limit: 2, sortOrder: 2 }));
    const first = keyspace.range(rangeRequest(`${PREFIX}00000`));
    if (last instanceof Refusal || first instanceof Refusal) throw new Error("what is there can be read");
    return {
      revision: keyspace.revision,
      count: this.count(),
      last: last.kvs.map((kv) => kv.toString("latin1")),
      first: first.count,
      hash: keyspace.hash(0),
    };
  }

  /** Watches all the keys. Gives the revisions and keys that it is told of. */
  watch(): { revision: number; key: string }[] {
    const told: { revision: number; key: string }[] = [];
    const deliver = (_: Watcher, headerRevision: number, events: EventList): boolean => {
      expect(headerRevision).toBe(this.engine.keyspace.revision);
      for (const event of eventsOf(events)) {
        const { kv } = decodeEvent(event);
        if (kv === null) throw new Error("an event has a kv");
        told.push({ revision: kv.modRevision, key: kv.key.toString("latin1") });
      }
      return true;
    };
    this.engine.keyspace.watchers.create({
      key: Buffer.from(PREFIX),
      rangeEnd: Buffer.from(PREFIX_END),
      startRevision: 0,
      filters: [],
      prevKv: false,
      sink: { deliver, compacted: () => expect.unreachable() },
    });
    return told;
  }
}

describe.each(LONG)("a $kind.name of very many keys", ({ kind, request, left }) => {
  test("takes many turns, in none of which more than a slice is deleted or anything of it is seen", async () => {
    const world = new World(1);
    await world.fill();
    const { engine, turns } = world;
    const { keyspace } = engine;
    const { revision } = keyspace;
    const before = world.seen();
    const watches = [world.watch()];
    world.propose(kind, request, "long");
    world.propose(PUT, putRequest("other"), "later");
    let slices = 0;
    while (keyspace.revision === revision) {
      const versions = keyspace.versionCount;
      await turns.turn();
      expect(keyspace.versionCount - versions).toBeLessThanOrEqual(CHANGE_SLICE_KEYS + 2);
      if (!keyspace.isChanging) continue;
      slices++;
      expect(world.seen()).toEqual(before);
      expect(world.told).toEqual([]);
      // Who comes in the midst of it is told all of it as well.
      if (slices % 3 === 0) watches.push(world.watch());
      expect(watches.flat()).toEqual([]);
    }
    expect(slices).toBeGreaterThan(KEYS / CHANGE_SLICE_KEYS);
    expect(keyspace.keyCount, "what comes later has not happened in the same turn as the slices").toBeLessThan(3);
    await turns.settle();
    expect(world.told).toEqual(["long", "later"]);
    expect(keyspace.revision).toBe(revision + 2);
    expect(world.count()).toBe(left);
    expect(world.count(revision)).toBe(KEYS);
    expect(watches.length).toBeGreaterThan(1);
    for (const told of watches) {
      const deleted = told.filter(({ key }) => !key.includes("new"));
      expect(deleted.length).toBe(KEYS);
      expect(deleted).toEqual(deleted.toSorted((a, b) => (a.key < b.key ? -1 : 1)));
      expect(new Set(told.map((event) => event.revision))).toEqual(new Set([revision + 1]));
    }
    keyspace.verify();
  });

  test("is done once when its reign ends in the midst of it", async () => {
    const world = new World(2);
    await world.fill();
    const { engine, turns } = world;
    const { keyspace } = engine;
    const { revision } = keyspace;
    world.propose(kind, request, "long");
    world.propose(PUT, putRequest("other"), "later");
    while (!keyspace.isChanging) await turns.turn();
    world.journal.end(closed());
    expect(world.told).toEqual(["long lost", "later lost"]);
    await world.reign();
    await turns.settle();
    expect(keyspace.revision).toBe(revision + 2);
    expect(world.count()).toBe(left);
    keyspace.verify();
  });

  test("is waited for by what is committed behind it, however long it takes", async () => {
    const world = new World(5);
    await world.fill();
    const { engine, turns, clock, journal } = world;
    world.propose(kind, request, "long");
    world.propose(PUT, putRequest("other"), "later");
    while (!engine.keyspace.isChanging || journal.committed < journal.appended) await turns.turn();
    journal.hold();
    world.propose(PUT, putRequest("another"), "not committed");
    await clock.advance(PROPOSAL_TIMEOUT_MS + 2_000);
    expect(engine.keyspace.isChanging).toBe(true);
    expect(world.told).toEqual(["not committed lost"]);
    await turns.settle();
    expect(world.told.slice(1)).toEqual(["long", "later"]);
  });

  test("is the same in a replay, which takes as many turns", async () => {
    const world = new World(3);
    await world.fill();
    world.propose(kind, request);
    world.propose(PUT, putRequest("other"));
    await world.turns.settle();
    const replayed = new World(4);
    replayed.store.records.push(...world.store.records);
    await replayed.reign();
    expect(replayed.engine.keyspace.hashAll()).toBe(world.engine.keyspace.hashAll());
    expect(replayed.engine.applier.applied).toBe(world.engine.applier.applied);
    replayed.engine.keyspace.verify();
  });
});
