/**
 * What files of scheduled backups are called, by the moment they were begun and the revision they have:
 *
 *     snapshot-20261130T120000Z-r48151623.db
 */

const NAME = /^snapshot-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-r(\d+)\.db$/;

/** While one is written. Who was killed leaves it behind. */
export const UNFINISHED = ".tmp";

export interface BackupName {
  readonly name: string;
  /** Unix ms, to the second. */
  readonly atMs: number;
  readonly revision: number;
}

export function backupName(atMs: number, revision: number): string {
  const time = new Date(atMs).toISOString().replace(/[-:]|\.\d+/g, "");
  return `snapshot-${time}-r${revision}.db`;
}

/** Null for any other file. */
export function parseBackupName(name: string): BackupName | null {
  const match = NAME.exec(name);
  if (match === null) return null;
  const [year, month, day, hours, minutes, seconds, revision] = match.slice(1).map(Number);
  const atMs = Date.UTC(year, month - 1, day, hours, minutes, seconds);
  return { name, atMs, revision };
}

export function isUnfinished(name: string): boolean {
  return name.endsWith(UNFINISHED) && parseBackupName(name.slice(0, -UNFINISHED.length)) !== null;
}

/** Those of some files that are backups. */
export function newestFirst(names: readonly string[]): BackupName[] {
  const backups = names.flatMap((name) => parseBackupName(name) ?? []);
  return backups.toSorted((a, b) => b.atMs - a.atMs || b.revision - a.revision);
}
