import { createHash } from "node:crypto";
import { beforeEach, expect, test } from "vitest";
import { Keyspace } from "../../../partitions/keyspace.ts";
import { OK } from "../../../proto/grpc-codes.ts";
import { snapshotResponse } from "../../../proto/rare.ts";
import type { SnapshotResponse } from "../../../proto/rare.ts";
import { snapshotMethod } from "../../../server/api/snapshot.ts";
import { systemTurns } from "../../../server/clock.ts";
import { TOO_MANY_REQUESTS } from "../../../server/engine/refusals.ts";
import { Backup } from "../../../server/etcd-backup/backup.ts";
import { SNAPSHOT_BLOB_BYTES, SNAPSHOT_SLICE_LOOKS, SNAPSHOTS_OPEN_MAX } from "../../../server/limits.ts";
import type { MessageParts, ServerStreamMethod, StreamListener } from "../../../server/transport/service.ts";
import { putRequest } from "../../../bench/client/requests.ts";
import { HeldStream } from "../../sim/held-stream.ts";
import { wholeOf } from "../../../server/api/whole-message.ts";
import { callersOf } from "../../support/callers.ts";
import { readBolt } from "../bolt/bolt-bytes.ts";
import { MEMBER } from "../etcd-backup/backup-bytes.ts";

const KEYS = 3 * SNAPSHOT_SLICE_LOOKS + 10;

let keyspace: Keyspace;
let method: ServerStreamMethod;

beforeEach(() => {
  keyspace = new Keyspace();
  for (let i = 0; i < KEYS; i++) keyspace.put(putRequest(`/registry/pods/${i}`, "v".repeat(100)));
  method = snapshotMethod({ turns: systemTurns, callers: callersOf(keyspace) }, () => new Backup(keyspace, MEMBER));
});

function open(call: HeldStream): StreamListener {
  return method.handle(call, Buffer.alloc(0));
}

/** A stream that is writable for so many messages, until it is written off again. */
class NarrowStream extends HeldStream {
  room: number;

  constructor(room: number) {
    super();
    this.room = room;
    this.writable = room > 0;
  }

  override sendParts(parts: MessageParts, length: number, onTaken?: () => void): void {
    super.send(wholeOf(parts, length));
    onTaken?.();
    this.room--;
    this.writable = this.room > 0;
  }
}

function messagesOf({ copied }: HeldStream): SnapshotResponse[] {
  return copied.map((message) => snapshotResponse.decode(message));
}

function fileOf(messages: readonly SnapshotResponse[]): Buffer {
  return Buffer.concat(messages.slice(0, -1).map(({ blob }) => blob));
}

/** Lets everything that can happen by itself happen. */
async function turns(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
}

test("a snapshot comes in blobs as large as etcd's, with its SHA-256 as the last message", async () => {
  const call = new NarrowStream(Number.POSITIVE_INFINITY);
  open(call);
  await turns();
  expect(call.status?.code).toBe(OK);
  const messages = messagesOf(call);
  const file = fileOf(messages);
  expect(messages.at(-1)?.blob).toEqual(createHash("sha256").update(file).digest());
  const blobs = messages.slice(0, -1).map(({ blob }) => blob.length);
  expect(blobs.slice(0, -1).every((bytes) => bytes === SNAPSHOT_BLOB_BYTES)).toBe(true);
  let left = file.length;
  for (const { blob, remainingBytes, header, version } of messages.slice(0, -1)) {
    left -= blob.length;
    expect({ header, remainingBytes, version }).toEqual({ header: null, remainingBytes: left, version: "3.6.0" });
  }
  expect(messages.at(-1)).toMatchObject({ header: null, remainingBytes: 0, version: "3.6.0" });
  const keys = readBolt(file).find(([name]) => name === "key")?.[1] ?? [];
  expect(keys).toHaveLength(KEYS);
});

test("no more is made than the client takes", async () => {
  const call = new NarrowStream(0);
  const listener = open(call);
  await turns();
  expect(call.copied).toHaveLength(0);
  for (let sent = 1; call.status === null; sent++) {
    call.room = 1;
    call.writable = true;
    listener.onDrain();
    await turns();
    expect(call.copied.length).toBe(sent);
  }
  const messages = messagesOf(call);
  const file = fileOf(messages);
  expect(messages.at(-1)?.blob).toEqual(createHash("sha256").update(file).digest());
});

test("a value that is longer than a slice is sent as it is taken", async () => {
  keyspace.put(putRequest("long", "w".repeat(1_500_000)));
  const call = new NarrowStream(5);
  const listener = open(call);
  await turns();
  expect(call.copied).toHaveLength(5);
  call.room = Number.POSITIVE_INFINITY;
  call.writable = true;
  listener.onDrain();
  await turns();
  expect(call.status?.code).toBe(OK);
  expect(readBolt(fileOf(messagesOf(call))).find(([name]) => name === "key")?.[1]).toHaveLength(KEYS + 1);
});

test("what is written and removed while a client takes it does not change it", async () => {
  const call = new NarrowStream(1);
  const listener = open(call);
  await turns();
  for (let i = 0; i < KEYS; i += 2) keyspace.put(putRequest(`/registry/pods/${i}`, "other"));
  keyspace.compact(keyspace.revision);
  while (!keyspace.compactStep(1_000));
  expect(keyspace.removalHeld).toBe(true);
  call.room = Number.POSITIVE_INFINITY;
  call.writable = true;
  listener.onDrain();
  await turns();
  const keys = readBolt(fileOf(messagesOf(call))).find(([name]) => name === "key")?.[1] ?? [];
  expect(keys.map(([key]) => Number(key.readBigUInt64BE(0)))).toEqual(Array.from({ length: KEYS }, (_, i) => i + 2));
  listener.onClose();
  expect(keyspace.removalHeld).toBe(false);
});

test("a client that goes away in the middle lets go of what was held", async () => {
  const call = new NarrowStream(1);
  const listener = open(call);
  await turns();
  keyspace.compact(keyspace.revision);
  expect(keyspace.removalHeld).toBe(true);
  call.closed = true;
  listener.onClose();
  await turns();
  expect(keyspace.removalHeld).toBe(false);
  expect(call.copied).toHaveLength(1);
});

test("what the transport has not taken yet is not written over", async () => {
  const call = new HeldStream();
  const listener = open(call);
  await turns();
  const messages = call.referenced.map((parts) => snapshotResponse.decode(Buffer.concat(parts)));
  const file = fileOf(messages);
  expect(messages.at(-1)?.blob).toEqual(createHash("sha256").update(file).digest());
  for (const taken of call.untaken) taken();
  listener.onClose();
});

test("few are open at a time, and one that ends makes room for another", async () => {
  const listeners = Array.from({ length: SNAPSHOTS_OPEN_MAX }, () => open(new NarrowStream(1)));
  const refused = new NarrowStream(Number.POSITIVE_INFINITY);
  open(refused);
  expect(refused.status).toEqual(TOO_MANY_REQUESTS);
  listeners[0].onClose();
  const call = new NarrowStream(Number.POSITIVE_INFINITY);
  open(call);
  await turns();
  expect(call.status?.code).toBe(OK);
});

test("while authentication is enabled nobody but root is given one", async () => {
  const { auth } = keyspace;
  auth.addUser("root", "hash");
  auth.addRole("root");
  auth.grantRole("root", "root");
  auth.enable();
  const call = new NarrowStream(Number.POSITIVE_INFINITY);
  open(call);
  await turns();
  expect(call.status?.message).toBe("etcdserver: user name is empty");
  expect(call.copied).toHaveLength(0);
});
