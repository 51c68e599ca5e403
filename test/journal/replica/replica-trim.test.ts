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
  for (const seq of [1, 2]) replica.handle({ kind: "trim", seq, epoch: 1, position: 1 }, (a) => answers.push(a));
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
