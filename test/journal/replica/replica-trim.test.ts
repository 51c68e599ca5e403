/** A replica that is trimmed while other things happen to it. */
import { expect, test, vi } from "vitest";
import { Replica } from "../../../journal/replica/replica.ts";
import type { ReplicaAnswer } from "../../../journal/replica/messages.ts";
import { durably } from "../../../journal/replica/replica-log.ts";
import { systemClock } from "../../../server/clock.ts";
import { ManualClock } from "../../sim/manual-clock.ts";
import { seededRandom, SimulatedDisk } from "../../sim/simulated-disk.ts";
import { appendFrame, nextFrame, openLog } from "./directory-logs.ts";

test("a trim leaves what is not known to be committed, so that its end can be taken back", async () => {
  const log = await openLog(new SimulatedDisk(seededRandom(1)));
  await appendFrame(log, 1, null);
  for (let i = 0; i < 40; i++) await appendFrame(log, 1, Buffer.alloc(1_000, i));
  log.committed = 12;
  await log.trim(log.lastPosition + 1);
  expect(log.first).toBeLessThanOrEqual(12);
  await durably((onDone) => log.cutBehind(12, onDone));
  expect(log.lastIndex).toBe(12);
  log.verify();
  await log.close();
});

test("a replica is idle when its last trim has ended, and trims are one behind the other", async () => {
  const log = await openLog(new SimulatedDisk(seededRandom(2)));
  const [first, second] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()];
  const trim = vi.spyOn(log, "trim").mockReturnValueOnce(first.promise).mockReturnValueOnce(second.promise);
  const nothing = (): void => undefined;
  const replica = new Replica({ log, clock: systemClock, onReleased: nothing, onPromised: nothing, onFailed: nothing });
  const answers: ReplicaAnswer[] = [];
  const request = { kind: "trim", epoch: 1, position: 1, lacked: [], keptBytesMax: 0 } as const;
  for (const seq of [1, 2]) replica.handle({ ...request, seq }, (a) => answers.push(a));
  await new Promise((resolve) => setImmediate(resolve));
  expect(trim).toHaveBeenCalledTimes(1);
  let isIdle = false;
  const idle = replica.idle().then(() => (isIdle = true));
  await new Promise((resolve) => setImmediate(resolve));
  expect(isIdle).toBe(false);
  first.resolve(undefined);
  await idle;
  // What waited is not begun on a log that is about to be closed.
  expect(answers).toMatchObject([
    { kind: "done", seq: 1 },
    { kind: "failed", seq: 2 },
  ]);
  await log.close();
});

test("a segment whose removal could not be made durable is read no more, and no other goes before it is", async () => {
  const disk = new SimulatedDisk(seededRandom(4));
  const log = await openLog(disk);
  await appendFrame(log, 1, null);
  for (let i = 0; i < 40; i++) await appendFrame(log, 1, Buffer.alloc(1_000, i));
  log.committed = log.lastIndex;
  const before = log.segments.length;
  let removed = 0;
  disk.inject = ({ kind }) => {
    if (kind === "remove") removed++;
    return kind === "sync" ? { code: "EIO" } : null;
  };
  await expect(log.trim(30, [], 0)).rejects.toMatchObject({ code: "ERR_JOURNAL_IO" });
  await expect(log.trim(30, [], 0)).rejects.toMatchObject({ code: "ERR_JOURNAL_IO" });
  expect(removed).toBe(1);
  expect(log.segments).toHaveLength(before - 1);
  expect(await log.read(log.first, log.lastIndex, Infinity)).toHaveLength(log.lastIndex - log.first + 1);
  disk.crash();
  for (const mode of ["power", "kill"] as const) {
    const again = await openLog(disk.restart(mode), { mustExist: true });
    expect(again.lastIndex).toBe(41);
    await again.trim(30, [], 0);
    expect(again.firstPosition).toBeGreaterThan(15);
    await again.close();
  }
});

test("a disk that does not answer is asked for the mark's name once", async () => {
  const disk = new SimulatedDisk(seededRandom(3));
  const clock = new ManualClock();
  const log = await openLog(disk, { clock });
  await appendFrame(log, 1, null);
  let looks = 0;
  const answer = Promise.withResolvers<boolean>();
  disk.isNameOf = () => (looks++, answer.promise);
  const [frame, header] = nextFrame(log, 1, Buffer.alloc(10), 0);
  const written = durably((onDone) => log.append(frame, header, onDone));
  await clock.advance(2_000);
  expect(looks).toBe(1);
  answer.resolve(true);
  await written;
  await log.close();
});
