/**
 * A keyspace as the database of an etcd, which `etcdutl snapshot restore` takes: all that is kept, with its revisions, leases,
 * users and roles. It is the keyspace of the moment when the backup is begun, and made in slices: first a walk that plans the file,
 * then one that writes it.
 *
 * Alarms are left out: one in a backup is active after a restore, whomever it names, and a full disk is not a thing to restore. So
 * are quotas of partitions, which etcd does not have.
 */
import assert from "node:assert/strict";
import type { Keyspace } from "../../partitions/keyspace.ts";
import type { RetainedWalk } from "../../partitions/walk/retained-walk.ts";
import type { ChunkWriter } from "../bolt/chunk-writer.ts";
import { FileBuilder } from "../bolt/file-builder.ts";
import type { FileShape } from "../bolt/page-plan.ts";
import { HistorySource, LeaseSource, ListSource } from "./bucket-sources.ts";
import type { AddElement, BucketSource } from "./bucket-sources.ts";
import { authEntries, clusterEntries, memberEntries, metaEntries, roleEntries, userEntries } from "./entries.ts";
import type { BackupMember } from "./entries.ts";
import {
  ALARM_BUCKET,
  AUTH_BUCKET,
  CLUSTER_BUCKET,
  MEMBERS_BUCKET,
  META_BUCKET,
  REMOVED_BUCKET,
  ROLES_BUCKET,
  USERS_BUCKET,
} from "./schema.ts";

export class Backup {
  readonly revision: number;
  readonly #retained: RetainedWalk;
  /** In the order of the names. */
  readonly #sources: readonly BucketSource[];
  #plan: BucketsWalk | null;
  #shape: FileShape | null = null;
  #writing: { readonly walk: BucketsWalk; readonly to: ChunkWriter } | null = null;

  /** Begins, and keeps what it needs from being removed until it is released. */
  constructor(keyspace: Keyspace, member: BackupMember) {
    const { auth, revision } = keyspace;
    this.revision = revision;
    this.#retained = keyspace.openRetained();
    this.#retained.hold.take();
    this.#sources = [
      new ListSource(ALARM_BUCKET, []),
      new ListSource(AUTH_BUCKET, authEntries(auth)),
      new ListSource(ROLES_BUCKET, roleEntries(auth)),
      new ListSource(USERS_BUCKET, userEntries(auth)),
      new ListSource(CLUSTER_BUCKET, clusterEntries()),
      new HistorySource(this.#retained),
      new LeaseSource(keyspace.leases()),
      new ListSource(MEMBERS_BUCKET, memberEntries(member)),
      new ListSource(REMOVED_BUCKET, []),
      new ListSource(META_BUCKET, metaEntries(member, this.#retained.compactRevision)),
    ];
    this.#plan = new BucketsWalk(this.#sources, FileBuilder.planning());
  }

  /** How long the file is, when `planStep` has said true. */
  get bytes(): number {
    assert(this.#shape !== null, "a file is planned before its length is known");
    return this.#shape.bytes;
  }

  /** Plans a part of the file: about so many looks at keys and changes, and bytes of these. True when all is planned. */
  planStep(maxLooks: number, maxBytes: number): boolean {
    assert(this.#plan !== null, "a file is planned once");
    if (!this.#plan.step(maxLooks, maxBytes)) return false;
    this.#shape = this.#plan.finish();
    this.#plan = null;
    return true;
  }

  /** The file goes there, from its first byte to its last. To be called when all is planned. */
  begin(to: ChunkWriter): void {
    assert(this.#shape !== null, "a file is planned before it is written");
    this.#writing = { walk: new BucketsWalk(this.#sources, FileBuilder.writing(this.#shape, to)), to };
  }

  /** Writes a part of the file. A value is written whole. True when all is written. */
  writeStep(maxLooks: number, maxBytes: number): boolean {
    assert(this.#writing !== null, "a file is begun before it is written");
    const { walk, to } = this.#writing;
    if (!walk.step(maxLooks, maxBytes)) return false;
    walk.finish();
    to.end();
    return true;
  }

  /** Lets go of everything. */
  release(): void {
    this.#retained.hold.release();
  }
}

/** One walk over all buckets, a bucket or a part of one in each step. */
class BucketsWalk {
  readonly #sources: readonly BucketSource[];
  readonly #builder: FileBuilder;
  readonly #add: AddElement;
  #at = 0;
  #isOpen = false;

  constructor(sources: readonly BucketSource[], builder: FileBuilder) {
    this.#sources = sources;
    this.#builder = builder;
    this.#add = (key, value, from, to) => builder.add(key, value, from, to);
  }

  step(maxLooks: number, maxBytes: number): boolean {
    const source = this.#sources[this.#at];
    if (!this.#isOpen) {
      this.#isOpen = true;
      source.rewind();
      this.#builder.begin(source.name);
    }
    if (!source.step(maxLooks, maxBytes, this.#add)) return false;
    this.#isOpen = false;
    this.#builder.end();
    return ++this.#at === this.#sources.length;
  }

  finish(): FileShape {
    return this.#builder.finish();
  }
}
