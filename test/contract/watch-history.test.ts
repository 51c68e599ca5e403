/**
 * Any watch of any history: what it gets is what a model of the history says, event by event. The names of what is
 * checked are those of etcd's own robustness tests.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { EVENT_DELETE, EVENT_PUT, FILTER_NODELETE, FILTER_NOPUT } from "../../proto/messages.ts";
import type { Event, KeyValue, RequestOp } from "../../proto/messages.ts";
import { EtcdClient, eventsOf } from "../support/etcd-client.ts";
import type { WatchStream } from "../support/etcd-client.ts";
import { del, put, txnRequest, watchCreateRequest } from "../../bench/client/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";

const keys = ["a", "b", "c", "d", "e"] as const;

/** One txn: which of the keys it puts, and which it deletes. */
type Step = readonly ("put" | "delete" | "leave")[];

interface WatchPlan {
  /** After which step it is created. */
  readonly after: number;
  /** Its start: so many revisions from the current one, or 0 for "from now on". */
  readonly offset: number;
  readonly from: number;
  /** Number of keys; none means one key without a range end. */
  readonly width: number;
  readonly prevKv: boolean;
  readonly filter: number | null;
}

const steps = fc.array(
  fc.array(fc.constantFrom("put", "put", "delete", "leave"), { minLength: keys.length, maxLength: keys.length }),
  { minLength: 1, maxLength: 25 },
);

const plans = fc.array(
  fc.record({
    after: fc.nat({ max: 25 }),
    offset: fc.integer({ min: -25, max: 3 }),
    from: fc.nat({ max: keys.length - 1 }),
    width: fc.nat({ max: keys.length }),
    prevKv: fc.boolean(),
    filter: fc.constantFrom(null, null, FILTER_NOPUT, FILTER_NODELETE),
  }),
  { minLength: 1, maxLength: 6 },
);

/** The keyspace under one prefix, and all that happened to it. */
class History {
  readonly prefix: string;
  readonly events: Event[] = [];
  readonly #state = new Map<string, KeyValue>();

  constructor(prefix: string) {
    this.prefix = prefix;
  }

  /** The operations of a step, and the events they make at a revision. */
  apply(step: Step, value: string, revision: number): { ops: RequestOp[]; events: Event[] } {
    const ops: RequestOp[] = [];
    const events: Event[] = [];
    for (const [i, action] of step.entries()) {
      const name = `${this.prefix}${keys[i]}`;
      const prevKv = this.#state.get(name) ?? null;
      const key = Buffer.from(name);
      if (action === "put") {
        ops.push(put(name, value));
        const createRevision = prevKv?.createRevision ?? revision;
        const version = (prevKv?.version ?? 0) + 1;
        const kv = { key, createRevision, modRevision: revision, version, value: Buffer.from(value), lease: 0n };
        this.#state.set(name, kv);
        events.push({ type: EVENT_PUT, kv, prevKv });
      } else if (action === "delete") {
        ops.push(del(name));
        if (!this.#state.delete(name)) continue;
        const kv = { key, createRevision: 0, modRevision: revision, version: 0, value: Buffer.alloc(0), lease: 0n };
        events.push({ type: EVENT_DELETE, kv, prevKv });
      }
    }
    return { ops, events };
  }

  /** Filter, Resumable, PrevKV: what a watch must get. */
  expected(plan: WatchPlan, startRevision: number): Event[] {
    const wanted = keys.slice(plan.from, plan.from + Math.max(1, plan.width)).map((key) => this.prefix + key);
    return this.events
      .filter(({ kv }) => (kv?.modRevision ?? 0) >= startRevision && wanted.includes(kv?.key.toString() ?? ""))
      .filter(({ type }) => plan.filter === null || (type === EVENT_PUT) !== (plan.filter === FILTER_NOPUT))
      .map((event) => (plan.prevKv ? event : { ...event, prevKv: null }));
  }
}

describeStores("watch: histories", (start, name) => {
  const shared = new SharedStore(start);
  let histories = 0;

  /** Opens a planned watch and gives the revision from which it tells. */
  async function open(history: History, plan: WatchPlan, first: number): Promise<readonly [WatchStream, number]> {
    const stream = shared.client.watch();
    const current = await shared.revision();
    const startRevision = plan.offset === 0 ? 0 : Math.max(first, current + plan.offset);
    const end = history.prefix + String.fromCharCode((keys[0].codePointAt(0) ?? 0) + plan.from + plan.width);
    await stream.create(
      watchCreateRequest(history.prefix + keys[plan.from], {
        rangeEnd: Buffer.from(plan.width === 0 ? "" : end),
        startRevision,
        prevKv: plan.prevKv,
        filters: plan.filter === null ? [] : [plan.filter],
      }),
    );
    return [stream, startRevision === 0 ? current + 1 : startRevision];
  }

  /** Ordered, Unique, Reliable: exactly the expected ones in their order. Atomic: no revision over two responses. */
  async function checkEvents(stream: WatchStream, expected: readonly Event[]): Promise<void> {
    const events: Event[] = [];
    let last = 0;
    while (events.length < expected.length) {
      const response = await stream.next();
      const more = eventsOf(response);
      expect(more[0].kv?.modRevision).toBeGreaterThan(last);
      last = more[more.length - 1].kv?.modRevision ?? 0;
      expect(response.header?.revision).toBeGreaterThanOrEqual(last);
      events.push(...more);
    }
    expect(events).toEqual(expected);
  }

  test("WA-06 WO-04: a history longer than its reader takes at a time comes in full, though nothing else happens", async () => {
    const count = 4_500;
    const first = await shared.put("long/a", "0");
    for (let written = 1; written < count; written += 100) {
      const burst = Array.from({ length: Math.min(100, count - written) }, () => shared.put("long/a", "v".repeat(100)));
      await Promise.all(burst);
    }
    const stream = shared.client.watch();
    await stream.create(watchCreateRequest("long/a", { startRevision: first }));
    const events = await stream.nextEvents(count);
    expect(events.map(({ kv }) => kv?.version)).toEqual(Array.from({ length: count }, (_, i) => i + 1));
    stream.stream.cancel();
  });

  // etcd's responses have a thousand revisions, whatever their size.
  test.runIf(name === "plinth")(
    "a history of more than its reader takes in a message comes in several, though none asks for fragments",
    async () => {
      const value = "v".repeat(200_000);
      const first = await shared.put("large/a", value);
      for (let i = 1; i < 40; i++) await shared.put("large/a", value);
      // The limit of most clients of gRPC.
      const client = await EtcdClient.connect(shared.store.url, { messageBytesMax: 4 * 1024 * 1024 });
      const stream = client.watch();
      await stream.create(watchCreateRequest("large/a", { startRevision: first, prevKv: true }));
      expect((await stream.nextEvents(40)).map(({ kv }) => kv?.version)).toEqual(
        Array.from({ length: 40 }, (_, i) => i + 1),
      );
      await client.close();
    },
  );

  test("Ordered Unique Atomic Reliable Resumable Bookmarkable Filter PrevKV IsCreate: for any history and any watch", async () => {
    await fc.assert(
      fc.asyncProperty(steps, plans, async (planned, watchPlans) => {
        const history = new History(`history/${histories++}/`);
        const first = (await shared.revision()) + 1;
        const watches: { plan: WatchPlan; stream: WatchStream; startRevision: number }[] = [];
        for (let i = 0; i <= planned.length; i++) {
          for (const plan of watchPlans) {
            if (Math.min(plan.after, planned.length) !== i) continue;
            const [stream, startRevision] = await open(history, plan, first);
            watches.push({ plan, stream, startRevision });
          }
          if (i === planned.length) break;
          const { ops, events } = history.apply(planned[i], String(i), (await shared.revision()) + 1);
          const { header } = await shared.client.txn(txnRequest(ops));
          history.events.push(...events);
          if (events.length > 0) expect(header?.revision).toBe(events[0].kv?.modRevision);
        }
        const revision = await shared.revision();
        for (const { plan, stream, startRevision } of watches) {
          await checkEvents(stream, history.expected(plan, startRevision));
          // A watch that waits for a later revision is told of no progress.
          if (startRevision > revision && plan.offset !== 0) expect(stream.waiting).toBe(0);
          else expect(await stream.progress()).toMatchObject({ watchId: -1, events: [], header: { revision } });
          stream.stream.cancel();
        }
      }),
      { numRuns: 20 },
    );
  });
});
