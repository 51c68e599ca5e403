import { describe, expect, test } from "vitest";
import { failed, ioError, replicaDown } from "../../../journal/journal-errors.ts";
import { JournalError } from "../../../journal/journal.ts";
import { nodeDisk, writeFailure } from "../../../journal/replica/disk.ts";
import { journalFailed } from "../../../server/engine/refusals.ts";

const PATH = "/var/lib/plinth/journal/00000000000000000001.journal";
const PREFIX = "etcdserver: journal failed, writes are stopped: ";

function noSpace(): Error {
  return Object.assign(new Error(`ENOSPC: no space left on device, open '${PATH}'`), {
    code: "ENOSPC",
    syscall: "open",
    path: PATH,
  });
}

describe("what clients are told of a journal that failed", () => {
  test("is what the kernel says, without the place", () => {
    const error = ioError(PATH, "creating", noSpace());
    expect(error.message).toContain(PATH);
    expect(journalFailed(error)).toEqual({ code: 14, message: `${PREFIX}ENOSPC: no space left on device` });
    expect(journalFailed(failed(error))).toEqual(journalFailed(error));
    expect(journalFailed(noSpace())).toEqual(journalFailed(error));
  });

  test("is the code of a journal's error that has no cause, since its text names files", () => {
    const error = new JournalError("ERR_JOURNAL_CORRUPT", `${PATH}: corrupt at offset 7: no frame`);
    expect(journalFailed(error).message).toBe(`${PREFIX}ERR_JOURNAL_CORRUPT`);
  });

  test("says that the disk may be full when it took a part of a write", () => {
    const file = { path: PATH } as Parameters<typeof writeFailure>[0];
    const error = writeFailure(file, 10, 0, null, 3);
    if (error === null) throw new Error("a short write is a failure");
    expect(journalFailed(error).message).toBe(`${PREFIX}short write: 3 of 10 bytes; the disk may be full`);
  });

  test("is the same of a replica elsewhere whatever its connection says, which names a machine", () => {
    const reasons = [undefined, new Error("connect ECONNREFUSED 10.0.0.7:2390"), new Error("read ECONNRESET")];
    const texts = reasons.map((reason) => journalFailed(replicaDown("10.0.0.7:2390", "has gone", reason)).message);
    expect(texts).toEqual(reasons.map(() => `${PREFIX}no majority of its replicas answers`));
  });

  test("names no path of a call that fails on this machine", async () => {
    const missing = `${import.meta.dirname}/no-such-directory/file`;
    const error: unknown = await nodeDisk.openForReading(missing).catch((reason: unknown) => reason);
    const { message } = journalFailed(ioError(missing, "opening", error));
    expect(message).toBe(`${PREFIX}ENOENT: no such file or directory`);
  });
});
