/** A replica's answers to a writer whose log is not its own. */
import { expect, test } from "vitest";
import { KIND_CONFIGURATION } from "../../../journal/frame.ts";
import { isWholeJournal } from "../../../journal/listing.ts";
import { encodeConfiguration } from "../../../journal/replica/configuration.ts";
import type { ReplicaAnswer, ReplicaRequest } from "../../../journal/replica/messages.ts";
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
  expect(await ask({ kind: "trim", seq: 3, epoch: 4, position: 1 })).toMatchObject(refused);
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
