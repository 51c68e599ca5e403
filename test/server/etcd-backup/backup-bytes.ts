/** A backup in memory, made step by step. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { Keyspace } from "../../../partitions/keyspace.ts";
import { ChunkWriter } from "../../../server/bolt/chunk-writer.ts";
import { Backup } from "../../../server/etcd-backup/backup.ts";
import type { BackupMember } from "../../../server/etcd-backup/entries.ts";

export const MEMBER: BackupMember = {
  memberId: 2n ** 63n + 1n,
  name: "default",
  peerUrls: ["http://localhost:2380"],
  clientUrls: ["http://localhost:2379"],
  term: 3,
  index: 90,
};

const CHUNK_BYTES = 32 * 1024;

/** @param between is called between two steps */
export function backupBytes(keyspace: Keyspace, maxLooks: number, maxBytes: number, between = (): void => {}): Buffer {
  const backup = new Backup(keyspace, MEMBER);
  between();
  while (!backup.planStep(maxLooks, maxBytes)) between();
  const memory = Buffer.alloc(CHUNK_BYTES);
  const chunks: Buffer[] = [];
  const take = (chunk: Buffer, bytes: number): void => void chunks.push(Buffer.from(chunk.subarray(0, bytes)));
  backup.begin(new ChunkWriter({ next: () => memory, take }));
  while (!backup.writeStep(maxLooks, maxBytes)) between();
  backup.release();
  const file = Buffer.concat(chunks);
  if (file.length !== backup.bytes)
    throw new Error(`${file.length} bytes, and not the ${backup.bytes} that were planned`);
  return file;
}

/** As `etcdctl snapshot save` leaves it. */
export function withTrailer(file: Buffer): Buffer {
  return Buffer.concat([file, createHash("sha256").update(file).digest()]);
}

/** A keyspace with users and roles of every kind. */
export function addUsers({ auth }: Keyspace): void {
  const refused = [
    auth.addUser("root", "scrypt$c2FsdA==$aGFzaA=="),
    auth.addUser("ann", "$2a$10$CwTycUXWue0Thq9StjUM0uJ8.5cN0cVbdGyN.ZHm5O5b5J1r7xJ1e"),
    auth.addUser("zoë", null),
    auth.addRole("root"),
    auth.addRole("reader"),
    auth.addRole("all"),
    auth.grantPermission("reader", {
      permType: 0,
      key: Buffer.from("/registry/"),
      rangeEnd: Buffer.from("/registry0"),
    }),
    auth.grantPermission("reader", { permType: 2, key: Buffer.from("/a"), rangeEnd: Buffer.alloc(0) }),
    auth.grantPermission("all", { permType: 1, key: Buffer.from("k"), rangeEnd: Buffer.from([0]) }),
    auth.grantRole("root", "root"),
    auth.grantRole("ann", "reader"),
    auth.grantRole("ann", "all"),
    auth.grantRole("zoë", "reader"),
  ];
  if (refused.some((refusal) => refusal !== null)) throw new Error("a user was refused");
}
