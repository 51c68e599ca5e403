/**
 * Makes a data directory of a keyspace: a cluster of its own, whose journal begins with one record and whose past is in a
 * snapshot. A server starts from it as from any other. Cut short, at any step, it is no data directory.
 */
import { readdir, rm } from "node:fs/promises";
import path from "node:path";
import type { Journal } from "../../journal/journal.ts";
import { openJournalStore } from "../../journal/zones-journal.ts";
import type { Keyspace } from "../../partitions/keyspace.ts";
import { systemTime } from "../clock.ts";
import { BASE, BASE_POSITION } from "../engine/base-command.ts";
import type { Base } from "../engine/base-command.ts";
import { recordOf } from "../engine/record.ts";
import { giveSnapshot } from "../engine/snapshot-giving.ts";
import { draftDataDir } from "../host/data-dir.ts";
import type { DataDirDraft, Identity } from "../host/data-dir.ts";
import { isAddressSpaceLimited } from "../host/memory.ts";
import { OWN_ZONES, ownDirectory, SNAPSHOTS_NAME } from "../own-zones.ts";
import { NO_FAR_ZONES, ZoneShelf } from "../snapshot-shelf.ts";
import { NO_LOG } from "./no-log.ts";

export interface NewDataDirOptions {
  readonly directory: string;
  /** Where the keyspace came from, for people. */
  readonly origin: string;
  /** Told how many versions of keys have been written. */
  readonly onProgress: (versions: number) => void;
}

/** @throws DataDirError, JournalError, SnapshotError; nothing is left in the directory then */
export async function makeDataDir(keyspace: Keyspace, options: NewDataDirOptions): Promise<Identity> {
  const draft = await draftDataDir(options.directory);
  try {
    const clusterId = draft.identity.clusterId.toString(16).padStart(32, "0");
    await beginJournal(draft, clusterId, { revision: keyspace.revision, origin: options.origin });
    await writeSnapshot(draft, clusterId, keyspace, options.onProgress);
    await draft.complete();
    return draft.identity;
  } catch (error) {
    await empty(draft.path);
    throw error;
  } finally {
    draft.close();
  }
}

async function beginJournal(draft: DataDirDraft, clusterId: string, base: Base): Promise<void> {
  const zones = OWN_ZONES.map((zone) => ({ zone, directory: ownDirectory(draft.path, zone) }));
  const store = await openJournalStore({ ...systemTime, zones, clusterId });
  let journal: Journal | null = null;
  try {
    const committed = Promise.withResolvers<void>();
    journal = await store.takeOver({ onCommitted: () => committed.resolve(), onFailed: committed.reject });
    journal.append(recordOf(BASE, BASE.encode(base)));
    await committed.promise;
  } finally {
    await journal?.close();
    await store.close();
  }
}

async function writeSnapshot(
  draft: DataDirDraft,
  clusterId: string,
  keyspace: Keyspace,
  onProgress: (versions: number) => void,
): Promise<void> {
  const source = keyspace.openSnapshot();
  if (source === null) throw new Error("nothing is changed while a keyspace is written down");
  const shelf = new ZoneShelf({
    ...NO_FAR_ZONES,
    zones: OWN_ZONES.map((zone) => ({ zone, directory: path.join(ownDirectory(draft.path, zone), SNAPSHOTS_NAME) })),
    majority: OWN_ZONES.length,
    retentionMs: 0,
    clock: systemTime.clock,
    wallMs: systemTime.wallMs,
    isAddressSpaceLimited: isAddressSpaceLimited(),
    clusterId: () => clusterId,
    log: NO_LOG,
  });
  const writing = await shelf.begin({
    position: BASE_POSITION,
    takenAtMs: systemTime.wallMs(),
    keyspace: source.facts,
  });
  try {
    await giveSnapshot(source, writing, systemTime, 0, onProgress);
  } catch (error) {
    await writing.cancel();
    throw error;
  } finally {
    source.hold.release();
  }
  await writing.finish();
  if ((await shelf.copiesOf(BASE_POSITION)) < OWN_ZONES.length) {
    throw new Error(`the snapshot could not be given to every zone of ${draft.path}`);
  }
}

/** What was there is what this has made: the directory was empty. */
async function empty(directory: string): Promise<void> {
  for (const name of await readdir(directory)) await rm(path.join(directory, name), { recursive: true, force: true });
}
