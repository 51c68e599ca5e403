import { expect, test } from "vitest";
import { JournalError } from "../../../journal/journal.ts";
import { STALL_RETRY_MAX_MS, STALL_RETRY_MIN_MS } from "../../../journal/limits.ts";
import { Stall } from "../../../journal/replica/stall.ts";
import { ManualClock } from "../../sim/manual-clock.ts";

function reasonOf(code: string): JournalError {
  return new JournalError("ERR_JOURNAL_IO", code, { cause: Object.assign(new Error(code), { code }) });
}

test("what may pass is tried again with pauses that double up to their limit, until it succeeds", async () => {
  const clock = new ManualClock();
  const stall = new Stall(clock);
  const told: unknown[] = [];
  stall.onStalled = (reason) => told.push(reason);
  const attempts: number[] = [];
  const reason = reasonOf("EMFILE");
  const ending = stall.untilDone(() => {
    attempts.push(clock.nowMs());
    return Promise.resolve(attempts.length < 12 ? reason : null);
  });
  await clock.advance(20 * STALL_RETRY_MAX_MS);
  expect(await ending).toBeNull();
  expect(told).toEqual([reason, null]);
  const pauses = attempts.slice(1).map((at, i) => at - attempts[i]);
  expect(pauses.slice(0, 3)).toEqual([1, 2, 4].map((factor) => factor * STALL_RETRY_MIN_MS));
  expect(pauses.at(-1)).toBe(STALL_RETRY_MAX_MS);
  expect(Math.max(...pauses)).toBe(STALL_RETRY_MAX_MS);
  expect(clock.pending).toBe(0);
});

test("what does not pass by itself, and what nobody listens to, is tried once", async () => {
  const stall = new Stall(new ManualClock());
  for (const reason of [reasonOf("EIO"), reasonOf("EROFS"), new JournalError("ERR_JOURNAL_CORRUPT", "no frame")]) {
    stall.onStalled = () => expect.unreachable("there is no stall");
    expect(await stall.untilDone(() => Promise.resolve(reason))).toBe(reason);
  }
  const reason = reasonOf("ENOSPC");
  expect(await new Stall(new ManualClock()).untilDone(() => Promise.resolve(reason))).toBe(reason);
});

test("a trouble that turns into a lasting one ends the stall with it", async () => {
  const clock = new ManualClock();
  const stall = new Stall(clock);
  const told: unknown[] = [];
  stall.onStalled = (reason) => told.push(reason);
  const reasons = [reasonOf("ENFILE"), reasonOf("ENOMEM"), reasonOf("EIO")];
  const [first, , last] = reasons;
  const ending = stall.untilDone(() => Promise.resolve(reasons.shift() ?? null));
  await clock.advance(STALL_RETRY_MAX_MS);
  expect(await ending).toBe(last);
  expect(told).toEqual([first]);
});

test("an act that pauses when the stall is ended has one more attempt, at once", async () => {
  const stall = new Stall(new ManualClock());
  stall.onStalled = () => undefined;
  let attempts = 0;
  const reason = reasonOf("EDQUOT");
  const ending = stall.untilDone(() => {
    attempts++;
    return Promise.resolve(reason);
  });
  await new Promise((resolve) => setImmediate(resolve));
  stall.end();
  expect(await ending).toBe(reason);
  expect(attempts).toBe(2);
});
