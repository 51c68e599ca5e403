/** What a store over links does for those that wait, and what it refuses. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { JournalListener } from "../../journal/journal.ts";
import type { QuorumJournal } from "../../journal/quorum/quorum-journal.ts";
import { SEGMENT_HEADER_BYTES, segmentName } from "../../journal/replica/segment.ts";
import { RecordingListener } from "../sim/recording-listener.ts";
import { ZoneDisks } from "../sim/zone-disks.ts";
import { readTexts } from "./journal-contract.ts";
import type { TcpStore } from "./tcp-zones.ts";
import { NAMES, TcpZones, untilPassed } from "./tcp-zones.ts";

let zones: TcpZones;
beforeEach(async () => {
  zones = await TcpZones.start(1);
});
afterEach(() => zones.close());

async function begin(store: TcpStore, listener: JournalListener = new RecordingListener()): Promise<QuorumJournal> {
  return untilPassed(() => store.takeOver(listener));
}

async function write(journal: QuorumJournal, listener: RecordingListener, ...texts: string[]): Promise<void> {
  for (const text of texts) journal.append(Buffer.from(text));
  await listener.untilCommitted(journal.appended);
}

/** Reads on, and tells when it has so many. */
class Following {
  readonly texts: string[] = [];
  readonly ended: Promise<unknown>;
  readonly #controller = new AbortController();

  constructor(store: TcpStore, position: number) {
    this.ended = this.#read(store, position);
  }

  async has(count: number): Promise<void> {
    await expect.poll(() => this.texts.length, { timeout: 10_000 }).toBe(count);
  }

  async end(): Promise<void> {
    this.#controller.abort();
    await this.ended;
  }

  async #read(store: TcpStore, position: number): Promise<void> {
    for await (const run of store.follow(position, this.#controller.signal)) {
      expect(run.first).toBe(position + this.texts.length);
      for (let i = 0; i < run.count; i++) this.texts.push(run.bytes(i).toString());
    }
  }
}

describe("who waits for a reign over links", () => {
  test("has what the other commits, whichever replica is there, and takes over when it has gone", async () => {
    const listener = new RecordingListener();
    const first = await begin(await zones.open(), listener);
    await write(first, listener, "1", "2");
    const standby = await zones.open();
    const following = new Following(standby, 1);
    await following.has(2);
    const vacant = standby.untilVacant(new AbortController().signal);
    for (const [i, zone] of NAMES.entries()) {
      await zones.stop(zone);
      await write(first, listener, `without ${zone}`);
      await following.has(3 + 2 * i);
      await zones.serve(zone);
      await write(first, listener, `with ${zone}`);
      await following.has(4 + 2 * i);
    }
    expect(standby.committed).toBe(8);
    await first.close();
    expect(await vacant).toBe(true);
    await following.end();
    const second = await begin(standby);
    expect(second.epoch).toBeGreaterThan(first.epoch);
    expect(await readTexts(second.read(1), 1)).toEqual(following.texts);
    await second.close();
  });

  test("reads on from any record, and from what was trimmed not at all", async () => {
    const listener = new RecordingListener();
    const journal = await begin(await zones.open(), listener);
    const texts = Array.from({ length: 120 }, (_, i) => `${i + 1} `.padEnd(400, "."));
    for (const text of texts) await write(journal, listener, text);
    const standby = await zones.open();
    for (const position of [1, 2, 77, 120]) {
      const following = new Following(standby, position);
      await following.has(121 - position);
      expect(following.texts).toEqual(texts.slice(position - 1));
      await following.end();
    }
    await expect.poll(async () => (await journal.trim(120), journal.first)).toBeGreaterThan(50);
    const other = await zones.open();
    const following = new Following(other, journal.first);
    await following.has(121 - journal.first);
    await following.end();
    await expect(readTexts(other.follow(1, new AbortController().signal), 1)).rejects.toMatchObject({
      code: "ERR_TRIMMED",
      message: `record 1 was trimmed: the journal begins with record ${journal.first}`,
    });
    await journal.close();
  });

  test("reads what one replica has trimmed of the others, each of which trims for itself", async () => {
    const listener = new RecordingListener();
    const journal = await begin(await zones.open(), listener);
    const texts = Array.from({ length: 120 }, (_, i) => `${i + 1} `.padEnd(400, "."));
    for (const text of texts) await write(journal, listener, text);
    for (const zone of ["b", "c"]) {
      zones.intercept(zone, ({ kind, seq }, answer) => {
        if (kind === "trim") answer({ kind: "done", seq, firstPosition: 1 });
        return kind === "trim";
      });
    }
    await journal.trim(120);
    expect(journal.first).toBeGreaterThan(50);
    for (const position of [1, 2, 5, 11, 17, 23, 40]) {
      const following = new Following(await zones.open(), position);
      await following.has(121 - position);
      expect(following.texts).toEqual(texts.slice(position - 1));
      await following.end();
    }
    await journal.close();
  });

  test("waits for as long as the other is there, and is told nothing else when its wait is ended", async () => {
    const listener = new RecordingListener();
    const journal = await begin(await zones.open(), listener);
    const standby = await zones.open({ electionMs: 300, leaseMs: 250, beatMs: 20 });
    const controller = new AbortController();
    const vacant = standby.untilVacant(controller.signal);
    for (let i = 0; i < 20; i++) {
      await write(journal, listener, `${i}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(await Promise.race([vacant, Promise.resolve("waits")])).toBe("waits");
    controller.abort();
    expect(await vacant).toBe(false);
    expect(listener.failures).toEqual([]);
    await journal.close();
  });
});

describe("a reign over links", () => {
  test("ends when another takes over, which it is told at once and by name", async () => {
    const listener = new RecordingListener();
    // It says nothing of itself for so long that its own beats do not tell.
    const journal = await begin(await zones.open({ beatMs: 20_000, leaseMs: 600 }), listener);
    const other = await zones.open({ name: "plinth-2 on host-b" });
    const second = await begin(other);
    expect(await listener.untilFailed()).toMatchObject({
      code: "ERR_JOURNAL_FENCED",
      message: `another writer, plinth-2 on host-b, has taken over the journal (epoch ${second.epoch})`,
      isPassing: false,
    });
    await journal.close();
    await second.close();
  });

  test("does not begin while no majority is there, says so within the election time, and may be tried again", async () => {
    const store = await zones.open();
    await (await begin(store)).close();
    for (const zone of ["a", "b"]) await zones.stop(zone);
    await expect(store.takeOver(new RecordingListener())).rejects.toMatchObject({
      code: "ERR_JOURNAL_NO_QUORUM",
      isPassing: true,
      message: expect.stringMatching(/zone a: tcp:.*; zone b: tcp:/),
    });
    await zones.serve("a");
    await (await begin(store)).close();
  });

  test("stalls without a majority, and commits what waited when there is one again", async () => {
    const listener = new RecordingListener();
    const journal = await begin(await zones.open(), listener);
    await write(journal, listener, "before");
    for (const zone of ["a", "b"]) await zones.stop(zone);
    await listener.untilStalls(1);
    journal.append(Buffer.from("waits"));
    // The lease runs out.
    const asked = Promise.withResolvers<unknown>();
    await expect.poll(() => journal.confirm(asked.resolve)).toBe(false);
    await zones.serve("b");
    await listener.untilCommitted(2);
    expect(await asked.promise).toBeNull();
    await journal.close();
  });
});

describe("a store over links refuses", () => {
  test("replicas of another cluster, by name", async () => {
    const store = await zones.open();
    await (await begin(store)).close();
    await expect(zones.open({ clusterId: "cd".repeat(16) })).rejects.toMatchObject({
      code: "ERR_JOURNAL_CLUSTER",
      message: expect.stringContaining(`belongs to cluster ${store.clusterId}, not to ${"cd".repeat(16)}`),
    });
  });

  test("another list of zones than the journal was made with", async () => {
    await (await begin(await zones.open())).close();
    const other = [zones.place("a"), zones.place("b"), { zone: "d", directory: "/c" }];
    await expect(zones.open({ zones: other, disk: ZoneDisks.of(NAMES, 2) })).rejects.toMatchObject({
      code: "ERR_JOURNAL_REPLICAS",
      message: "the journal was made with the zones a, b, c, and the zones a, b, d are given",
    });
  });

  test("to make a journal where one was made", async () => {
    await expect(zones.open({ mustExist: true })).rejects.toMatchObject({
      code: "ERR_JOURNAL_INCOMPLETE",
      message: expect.stringContaining("the journal that was made here is missing: is its volume mounted?"),
    });
    expect(zones.at("a").status.state).toBe("blank");
  });

  test("a stranger in the place of a replica, and goes on without it", async () => {
    await (await begin(await zones.open())).close();
    const strangers = await TcpZones.start(3);
    const theirs = await strangers.open();
    await (await begin(theirs)).close();
    const told = Promise.withResolvers<string>();
    const listener = new RecordingListener();
    const store = await zones.open({
      zones: [zones.place("a"), strangers.place("b"), zones.place("c")],
      onTrouble: (zone, trouble) => zone === "b" && trouble !== null && told.resolve(trouble.message),
    });
    expect(await told.promise).toMatch(/^tcp:.*: not the replica that zone b was made with$/);
    const journal = await begin(store, listener);
    await write(journal, listener, "by two");
    await journal.close();
    expect(strangers.at("b").status.lastPosition).toBe(0);
    await strangers.close();
  });
});

test("a replica that was lost and comes back blank is made anew, taken in, and then needed", async () => {
  const listener = new RecordingListener();
  const first = await begin(await zones.open(), listener);
  await write(first, listener, "1", "2");
  await first.close();
  await zones.stop("a");
  for (const file of await zones.disk.list("/a")) await zones.disk.remove(`/a/${file}`);
  await zones.serve("a");
  const second = await begin(await zones.open());
  await expect.poll(() => zones.at("a").status.state).toBe("formed");
  expect(zones.at("a").status.lastPosition).toBe(2);
  await second.close();
  await zones.stop("b");
  const third = await begin(await zones.open());
  expect(await readTexts(third.read(1), 1)).toEqual(["1", "2"]);
  await third.close();
});

test("a second server of a mixed list waits over the links, and takes over without the directory that it cannot reach", async () => {
  const mixed = await TcpZones.start(5, ["b", "c"]);
  const listener = new RecordingListener();
  const first = await begin(await mixed.open(), listener);
  await write(first, listener, "1");
  const standby = await mixed.open();
  const following = new Following(standby, 1);
  await following.has(1);
  const controller = new AbortController();
  const vacant = standby.untilVacant(controller.signal);
  controller.abort();
  expect(await vacant).toBe(false);
  const second = begin(standby);
  expect(await listener.untilFailed()).toMatchObject({ code: "ERR_JOURNAL_FENCED" });
  const reign = await second;
  expect(await readTexts(reign.read(1), 1)).toEqual(["1"]);
  await first.close();
  await following.end();
  await reign.close();
  await mixed.close();
});

test.each(["has rotted", "cannot be read"])(
  "what %s at a replica is given before the journal is open, when there is no majority without it",
  async (what) => {
    const listener = new RecordingListener();
    const store = await zones.open();
    const first = await begin(store, listener);
    for (let i = 1; i <= 10; i++) await write(first, listener, `${i}`.padEnd(700, "."));
    await first.close();
    await store.close();
    for (const zone of NAMES) await zones.stop(zone);
    const bytes = zones.disk.at("c").content(`/c/${segmentName(1)}`);
    const intact = Buffer.from(bytes);
    // In a frame's midst, twice, with others between.
    for (const at of [SEGMENT_HEADER_BYTES + 1_500, SEGMENT_HEADER_BYTES + 5_500]) {
      if (what === "has rotted") bytes[at] ^= 1;
      else zones.disk.at("c").failToRead(`/c/${segmentName(1)}`, at, at + 1);
    }
    for (const zone of ["b", "c"]) await zones.serve(zone);
    const again = await begin(await zones.open(), listener);
    expect(bytes.subarray(0, SEGMENT_HEADER_BYTES + 7_000)).toEqual(intact.subarray(0, SEGMENT_HEADER_BYTES + 7_000));
    await write(again, listener, "11");
    expect(await readTexts(again.read(11), 11)).toEqual(["11"]);
    await again.close();
  },
);
