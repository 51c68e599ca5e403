/** What the files of a snapshot are called, by the journal position that it is of. */
import assert from "node:assert/strict";
import { join } from "node:path";

const POSITION_DIGITS = 16;
const FILE = /^([0-9a-f]{16})\.(lmdb|lmdb-lock|mark)$/;

/** What a process that was killed leaves behind, without its final name. */
const LEFTOVER = /^[0-9a-f]{16}\.(mark\.tmp|lmdb\.tmp(-lock|-room)?|lmdb(\.tmp)?-lock\.[0-9a-f]{8}\.tmp)$/;

export interface SnapshotNames {
  readonly position: number;
  readonly file: string;
  readonly mark: string;
  /** What they are called while they are made. */
  readonly unfinishedFile: string;
  readonly unfinishedMark: string;
}

export function snapshotNames(directory: string, position: number): SnapshotNames {
  assert(Number.isSafeInteger(position) && position >= 0, "a position is a whole number");
  const base = join(directory, position.toString(16).padStart(POSITION_DIGITS, "0"));
  return {
    position,
    file: `${base}.lmdb`,
    mark: `${base}.mark`,
    unfinishedFile: `${base}.lmdb.tmp`,
    unfinishedMark: `${base}.mark.tmp`,
  };
}

/** Which file of which snapshot has this name; null for all else. */
export function parseName(name: string): { readonly position: number; readonly isMark: boolean } | null {
  const match = FILE.exec(name);
  if (match === null) return null;
  const position = Number.parseInt(match[1], 16);
  return Number.isSafeInteger(position) ? { position, isMark: match[2] === "mark" } : null;
}

export function isLeftover(name: string): boolean {
  return LEFTOVER.test(name);
}

/** The file that LMDB has beside each that it opens. */
export function lockOf(file: string): string {
  return `${file}-lock`;
}

/** While it is made, by one of several. */
export function newLockOf(file: string, maker: string): string {
  return `${lockOf(file)}.${maker}.tmp`;
}
