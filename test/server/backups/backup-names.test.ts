import { expect, test } from "vitest";
import { backupName, isUnfinished, newestFirst, parseBackupName } from "../../../server/backups/backup-names.ts";

const AT_MS = Date.UTC(2026, 10, 30, 12, 0, 5, 678);

test("a name tells the moment, to the second, and the revision", () => {
  const name = backupName(AT_MS, 48_151_623);
  expect(name).toBe("snapshot-20261130T120005Z-r48151623.db");
  expect(parseBackupName(name)).toEqual({ name, atMs: AT_MS - 678, revision: 48_151_623 });
});

test("other files are left alone, and what was not finished is known", () => {
  for (const name of ["snapshot.db", "notes.txt", "snapshot-20261130T120005Z-r1.db.part"]) {
    expect(parseBackupName(name)).toBeNull();
    expect(isUnfinished(`${name}.tmp`)).toBe(false);
  }
  expect(isUnfinished(`${backupName(AT_MS, 1)}.tmp`)).toBe(true);
  expect(isUnfinished(backupName(AT_MS, 1))).toBe(false);
});

test("the newest come first, whatever else is there", () => {
  const names = [3, 1, 4, 2].map((n) => backupName(AT_MS + n * 3_600_000, n));
  expect(newestFirst(["mine.db", ...names]).map(({ revision }) => revision)).toEqual([4, 3, 2, 1]);
  // So the oldest beyond a number are behind it.
  const outdated = newestFirst(["mine.db", ...names]).slice(2);
  expect(outdated.map(({ name }) => name)).toEqual([names[3], names[1]]);
  expect(newestFirst(names).slice(4)).toEqual([]);
  const same = [backupName(AT_MS, 7), backupName(AT_MS, 12)];
  expect(newestFirst(same).map(({ revision }) => revision)).toEqual([12, 7]);
});
