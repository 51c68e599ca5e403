/** Runs a command of this room: what a person can do something about is told in a line, and nothing else is caught. */
import process from "node:process";
import { JournalError } from "../../journal/journal.ts";
import { MissingBaseError } from "../engine/base-command.ts";
import { EtcdRefusal } from "../etcd-backup/etcd-refusal.ts";
import { DataDirError } from "../host/data-dir.ts";
import { SnapshotError } from "../snapshot/snapshot-error.ts";
import { RebuildError } from "./rebuild-error.ts";

const EXIT_FAILED = 1;

const TOLD = [RebuildError, EtcdRefusal, JournalError, DataDirError, SnapshotError, MissingBaseError];

export async function runRebuild(act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    const isTold = error instanceof Error && (TOLD.some((kind) => error instanceof kind) || "syscall" in error);
    if (!isTold) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = EXIT_FAILED;
  }
}
