/** A replica's answers to a writer whose log is not its own. */
import { expect, test } from "vitest";
import { KIND_CONFIGURATION } from "../../../journal/frame.ts";
import type { JournalError } from "../../../journal/journal.ts";
import { isWholeJournal } from "../../../journal/listing.ts";
import { encodeConfiguration } from "../../../journal/replica/configuration.ts";
import type { DirectoryLog } from "../../../journal/replica/directory-log.ts";
import type { BeginRequest, ReplicaAnswer, ReplicaRequest } from "../../../journal/replica/messages.ts";
import { Replica } from "../../../journal/replica/replica.ts";
import { durably } from "../../../journal/replica/replica-log.ts";
import { systemClock } from "../../../server/clock.ts";
import { seededRandom, SimulatedDisk } from "../../sim/simulated-disk.ts";
import { appendFrame, openLog } from "./directory-logs.ts";

test("who is refused is told in whose favour, and whoever is there hears of each promise at once", async () => {
  const log = await openLog(new SimulatedDisk(seededRandom(1)));
  const told: unknown[] = [];
  const members = [{ zone: "a", replicaId: log.facts.replicaId }];
  await durably((onDone) => log.remember({ ...log.facts, members }, onDone));
  const replica = new Replica({
    log,
    clock: systemClock,
    onReleased: () => undefined,
    onPromised: (...promised) => told.push(promised),
    onFailed: (error) => expect(error).toBeNull(),
  });
  const ask = (request: ReplicaRequest): Promise<ReplicaAnswer> =>
    new Promise((resolve) => replica.handle(request, resolve));
  const committed = { index: 0, epoch: 0 };
  const promised = ask({ kind: "promise", seq: 1, epoch: 5, writer: 7, name: "s1 on host-a", committed });
  expect(told).toEqual([[5, "s1 on host-a"]]);
  expect(await promised).toMatchObject({ kind: "promised", epoch: 5 });
  const refused = { kind: "refused", promised: 5, name: "s1 on host-a" };
  expect(await ask({ kind: "promise", seq: 2, epoch: 5, writer: 8, name: "s2", committed })).toMatchObject(refused);
  expect(await ask({ kind: "trim", seq: 3, epoch: 4, position: 1, lacked: [], keptBytesMax: 0 })).toMatchObject(
    refused,
  );
  await ask({ kind: "append", seq: 4, epoch: 6, attempt: 0, committed: 0, committedEpoch: 0, leaseMs: 0, frame: null });
  expect(told.slice(1)).toEqual([[6, ""]]);
  await log.close();
});

test("each answer that refuses a frame takes the writer further back, to where the logs are one", async () => {
  const log = await openLog(new SimulatedDisk(seededRandom(1)));
  const writer = await openLog(new SimulatedDisk(seededRandom(2)));
  for (let i = 0; i < 2; i++) {
    await appendFrame(log, 1, null);
    await appendFrame(writer, 1, null);
  }
  // A reign that left three frames here, and three that left one each with the writer.
  for (let i = 0; i < 3; i++) await appendFrame(log, 2, null);
  for (const epoch of [3, 4, 5, 6]) await appendFrame(writer, epoch, null);
  const replica = new Replica({
    log,
    clock: systemClock,
    onReleased: () => undefined,
    onPromised: () => undefined,
    onFailed: (error) => expect(error).toBeNull(),
  });
  const send = async (index: number): Promise<ReplicaAnswer> => {
    const [frame] = await writer.read(index, index, 1);
    const request = {
      kind: "append",
      seq: 1,
      epoch: 6,
      attempt: 1,
      committed: 0,
      committedEpoch: 0,
      leaseMs: 0,
      frame,
    } as const;
    return new Promise((resolve) => replica.handle(request, resolve));
  };

  const hints: number[] = [];
  let next = writer.lastIndex;
  while (next <= writer.lastIndex) {
    const answer = await send(next);
    if (answer.kind === "mismatch") {
      hints.push(answer.hint);
      expect(answer.hint).toBeLessThan(next - 1);
      next = answer.hint + 1;
    } else {
      expect(answer).toMatchObject({ kind: "durable", index: next });
      next++;
    }
  }
  expect(hints).toEqual([4, 3, 2]);
  expect(log.last).toEqual(writer.last);
  await log.close();
  await writer.close();
});

test("frames that another reign has replaced while they were read are not given as those of the reign that asked", async () => {
  const log = await openLog(new SimulatedDisk(seededRandom(1)));
  const writer = await openLog(new SimulatedDisk(seededRandom(2)));
  await appendFrame(log, 1, null);
  await appendFrame(writer, 1, null);
  await appendFrame(log, 1, Buffer.from("not committed"));
  await appendFrame(writer, 2, null);
  const replica = new Replica({
    log,
    clock: systemClock,
    onReleased: () => undefined,
    onPromised: () => undefined,
    onFailed: (error) => expect(error).toBeNull(),
  });
  const ask = (request: ReplicaRequest): Promise<ReplicaAnswer> =>
    new Promise((resolve) => replica.handle(request, resolve));
  const slow = Promise.withResolvers<void>();
  const read = log.read.bind(log);
  log.read = (...range) => slow.promise.then(() => read(...range));

  const fetched = ask({ kind: "fetch", seq: 1, epoch: 1, from: 2, to: 2 });
  const [frame] = await writer.read(2, 2, 1);
  const reign = { epoch: 2, attempt: 1, committed: 0, committedEpoch: 0, leaseMs: 0 };
  expect(await ask({ kind: "append", seq: 2, ...reign, frame })).toMatchObject({ kind: "durable", index: 2 });
  slow.resolve();
  expect(await fetched).toMatchObject({ kind: "refused", promised: 2 });
  await log.close();
  await writer.close();
});

test("one that learns of its list and of a later one without it at once knows that it was replaced", async () => {
  const log = await openLog(new SimulatedDisk(seededRandom(1)));
  const { replicaId } = log.facts;
  const others = [
    { zone: "a", replicaId: 1 },
    { zone: "b", replicaId: 2 },
  ];
  await appendFrame(log, 1, null);
  await appendFrame(log, 1, encodeConfiguration([...others, { zone: "c", replicaId }]), 1, KIND_CONFIGURATION);
  await appendFrame(log, 1, encodeConfiguration([...others, { zone: "c", replicaId: 3 }]), 2, KIND_CONFIGURATION);
  const replica = new Replica({
    log,
    clock: systemClock,
    onReleased: () => undefined,
    onPromised: () => undefined,
    onFailed: (error) => expect(error).toBeNull(),
  });
  const ask = (request: ReplicaRequest): Promise<ReplicaAnswer> =>
    new Promise((resolve) => replica.handle(request, resolve));
  const beat = { epoch: 1, attempt: 0, committed: 3, committedEpoch: 1, leaseMs: 0, frame: null } as const;
  expect(await ask({ kind: "append", seq: 1, ...beat })).toMatchObject({ kind: "durable", index: 3 });
  await replica.idle();
  const status = await ask({ kind: "status", seq: 2 });
  expect(status).toMatchObject({ isNew: false, isVoter: false, membership: { known: { index: 3 } } });
  expect(log.facts.members).toContainEqual({ zone: "c", replicaId: 3 });
  await log.close();
});

test("a list that was known to be committed before a restart is kept before anything is promised under it", async () => {
  const disk = new SimulatedDisk(seededRandom(5));
  const log = await openLog(disk);
  const members = [
    { zone: "a", replicaId: 1 },
    { zone: "b", replicaId: 2 },
    { zone: "c", replicaId: log.facts.replicaId },
  ];
  // It was made anew, fed, and listed: the frame behind the list tells that it is committed. It ended before it kept that.
  await appendFrame(log, 1, null);
  await appendFrame(log, 1, encodeConfiguration(members), 0, KIND_CONFIGURATION);
  await appendFrame(log, 1, Buffer.from("behind it"), 2);
  await log.close();

  const again = await openLog(disk, { mustExist: true });
  expect(again.facts.members).toEqual([]);
  const kept: unknown[] = [];
  const remember = again.remember.bind(again);
  again.remember = (facts, onDone) => {
    kept.push({ promised: facts.promised, members: facts.members.length });
    remember(facts, onDone);
  };
  const replica = new Replica({
    log: again,
    clock: systemClock,
    onReleased: () => undefined,
    onPromised: () => undefined,
    onFailed: (error) => expect(error).toBeNull(),
  });
  const answer = await new Promise((resolve) => {
    const committed = { index: 0, epoch: 0 };
    replica.handle({ kind: "promise", seq: 1, epoch: 5, writer: 7, name: "", committed }, resolve);
  });
  expect(answer).toMatchObject({ kind: "promised", epoch: 5 });
  // Who has promised and has no list would be taken for a whole journal.
  expect(kept).toEqual([
    { promised: 0, members: 3 },
    { promised: 5, members: 3 },
  ]);
  expect(isWholeJournal(again)).toBe(false);
  await replica.idle();
  await again.close();
});

/** A replica of a log with six frames of epoch 1, of which two are known to be committed. */
async function listedReplica(onFailed: (error: JournalError) => void = (error) => expect(error).toBeNull()): Promise<{
  readonly log: DirectoryLog;
  readonly disk: SimulatedDisk;
  readonly replica: Replica;
  readonly ask: (request: ReplicaRequest) => Promise<ReplicaAnswer>;
  readonly begin: Omit<BeginRequest, "seq">;
}> {
  const disk = new SimulatedDisk(seededRandom(1));
  const log = await openLog(disk);
  const { replicaId } = log.facts;
  const members = [{ zone: "a", replicaId }];
  await durably((done) => log.remember({ ...log.facts, members }, done));
  await appendFrame(log, 1, null);
  for (let i = 0; i < 5; i++) await appendFrame(log, 1, Buffer.alloc(3_000, i));
  log.committed = 2;
  const replica = new Replica({
    log,
    clock: systemClock,
    onReleased: () => undefined,
    onPromised: () => undefined,
    onFailed,
  });
  const ask = (request: ReplicaRequest): Promise<ReplicaAnswer> =>
    new Promise((resolve) => replica.handle(request, resolve));
  const list = { index: 15, members: [...members, { zone: "b", replicaId: 5 }] };
  const place = { firstIndex: 20, previousEpoch: 3, firstPosition: 16 };
  return { log, disk, replica, ask, begin: { kind: "begin", epoch: 4, replicaId, ...place, list } };
}

test("a replica that is told to begin anew answers when that is durable, and knows the list that it has passed over", async () => {
  const { log, disk, replica, ask, begin } = await listedReplica();
  expect(await ask({ ...begin, seq: 1 })).toMatchObject({ kind: "durable", index: 19, isGranted: false });
  replica.verify();
  disk.crash();
  const again = await openLog(disk.restart("power"), { mustExist: true });
  const { members, index: membersIndex } = begin.list;
  expect(again).toMatchObject({ last: { index: 19, epoch: 3 }, lastPosition: 15, committed: 19 });
  expect(again.facts).toMatchObject({ replicaId: log.facts.replicaId, promised: 4, members, membersIndex });
  await again.close();
});

test("a replica keeps what it has where it is told again, late or for an earlier reign to begin anew", async () => {
  const { log, ask, begin } = await listedReplica();
  await ask({ ...begin, seq: 1 });
  await appendFrame(log, 4, null);
  const frame = await appendFrame(log, 4, Buffer.from("x"));
  const append = {
    kind: "append",
    seq: 2,
    epoch: 4,
    attempt: 1,
    committed: 20,
    committedEpoch: 4,
    leaseMs: 0,
  } as const;
  expect(await ask({ ...append, frame })).toMatchObject({ kind: "durable", index: 21 });
  // What it answers for is durable, and the reign's.
  expect(await ask({ ...begin, seq: 3 })).toMatchObject({ kind: "durable", index: 21 });
  const earlier = { firstIndex: 12, previousEpoch: 2, firstPosition: 9 };
  expect(await ask({ ...begin, ...earlier, seq: 4 })).toMatchObject({ kind: "durable", index: 21 });
  const later = { firstIndex: 30, previousEpoch: 4, firstPosition: 20 };
  const { replicaId } = begin;
  expect(await ask({ ...begin, ...later, seq: 5, epoch: 3 })).toMatchObject({ kind: "refused", promised: 4 });
  expect(await ask({ ...begin, ...later, seq: 6, replicaId: replicaId + 1 })).toMatchObject({ kind: "failed" });
  expect(log.last).toEqual({ index: 21, epoch: 4 });
  await log.close();
});

test("a replica that has the frame before the beginning keeps its log, and knows by that what is committed", async () => {
  const { log, ask, begin } = await listedReplica();
  const place = { firstIndex: 5, previousEpoch: 1, firstPosition: 4 };
  expect(await ask({ ...begin, ...place, seq: 1 })).toMatchObject({ kind: "durable", index: 4 });
  expect([log.first, log.last.index, log.committed]).toEqual([1, 6, 4]);
  expect(log.facts.promised).toBe(4);
  await log.close();
});

test("a trim that comes while a replica begins anew waits, and one that is under way is waited for", async () => {
  const { log, ask, begin } = await listedReplica();
  const beat = { attempt: 1, committed: 0, committedEpoch: 0, leaseMs: 0, frame: null };
  await ask({ kind: "append", seq: 0, epoch: 4, ...beat });
  const trim = { kind: "trim", epoch: 4, lacked: [], keptBytesMax: 0 } as const;
  const answers = await Promise.all([
    ask({ ...trim, seq: 1, position: 2 }),
    ask({ ...begin, seq: 2 }),
    ask({ ...trim, seq: 3, position: 16 }),
  ]);
  expect(answers).toMatchObject([
    { kind: "done" },
    { kind: "durable", index: 19 },
    { kind: "done", firstPosition: 16 },
  ]);
  log.verify();
  await log.close();
});

test("a replica whose disk fails as it begins anew says so, and begins anew when it is opened again", async () => {
  const failures: JournalError[] = [];
  const { log, disk, ask, begin } = await listedReplica((error) => failures.push(error));
  let removals = 0;
  disk.inject = ({ kind }) => (kind === "remove" && ++removals === 2 ? { code: "EIO" } : null);
  expect(await ask({ ...begin, seq: 1 })).toMatchObject({ kind: "failed" });
  expect(failures).toMatchObject([{ code: "ERR_JOURNAL_IO" }]);
  await log.close();
  const again = await openLog(disk, { mustExist: true });
  expect(again).toMatchObject({ first: 20, last: { index: 19, epoch: 3 }, committed: 19 });
  await again.close();
});

test("a replica that was never listed keeps no list that it is not on", async () => {
  const log = await openLog(new SimulatedDisk(seededRandom(1)));
  const replica = new Replica({
    log,
    clock: systemClock,
    onReleased: () => undefined,
    onPromised: () => undefined,
    onFailed: (error) => expect(error).toBeNull(),
  });
  const ask = (request: ReplicaRequest): Promise<ReplicaAnswer> =>
    new Promise((resolve) => replica.handle(request, resolve));
  const list = { index: 15, members: [{ zone: "a", replicaId: 1 }] };
  const { replicaId } = log.facts;
  const place = { firstIndex: 20, previousEpoch: 3, firstPosition: 16 };
  expect(await ask({ kind: "begin", seq: 1, epoch: 4, replicaId, ...place, list })).toMatchObject({ index: 19 });
  expect(await ask({ kind: "status", seq: 2 })).toMatchObject({
    isNew: true,
    isVoter: false,
    first: 20,
    committed: 19,
  });
  await log.close();
});
