/**
 * Messages between writers and replicas as bytes. A packet is a head, and behind it the frames it brings, which are their
 * own bytes and are not copied. Integers are little-endian.
 *
 *   offset  size  field
 *        0     4  length      of the whole packet, frames included
 *        4     2  headLength  h
 *        6     1  kind
 *        7     1  flags       1: isVoter, isGranted; 2: isVacant; 4: isNew
 *        8     8  seq         0 in a notice
 *       16     …  fields
 *      h-4     4  headCrc     crc32 of bytes 0 … h-4; a frame has checksums of its own
 *        h     …  frames      each begins with its own length (u32), and they fill the packet
 *
 *   kind            fields: u64 unless said; f64 for milliseconds; a text is u16 length, UTF-8
 *    1 status       none
 *    2 promise      epoch, writer, name text, committed index, committed epoch
 *    3 fetch        epoch, from, to
 *    4 append       epoch, attempt, committed, leaseMs f64, committedEpoch; no frame or one
 *    5 release      epoch
 *    6 trim         epoch, position, keptBytesMax, number of those lacked, each of them
 *    7 describe     none
 *    8 make         clusterId (16 bytes), salt
 *    9 list         members
 *   10 repair       none; any number of frames, one at least
 *   11 begin        epoch, replicaId, first index, first position, previous epoch, list
 *   17 status       replicaId, promised, silentForMs f64, leaseLeftMs f64, first, last index, last epoch, committed,
 *                   membership
 *   18 promised     replicaId, epoch, first, firstPosition, last index, last epoch, lastPosition, committed, leaseLeftMs f64,
 *                   holder, committedEpoch, membership
 *   19 refused      promised, name text
 *   20 fetched      first, committed, replicaId; any number of frames
 *   21 durable      index, replicaId
 *   22 mismatch     attempt, hint
 *   23 done         firstPosition
 *   24 failed       reason text
 *   25 described    clusterId (16 bytes, zeros: blank), salt, replicaId, lastIndex, membersIndex, members
 *   32 released     epoch: a reign has given back its lease here
 *   33 stalled      code text, message text, errno text (empty: none): the replica waits for its disk; a code that is
 *                   empty: it goes on
 *   34 promised     epoch, name text: the replica has promised it, and refuses what comes with a lower one
 *   35 rotten       from, to, code text, message text, errno text, as in 33: frames are not intact here; a code that is
 *                   empty: all are
 *
 * Members are their number, and for each replicaId, zone text.
 * A membership is two lists, the second one empty when there is none. A list: index of its frame, number of members, and for
 * each zone text, replicaId.
 */
import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { FRAME_BYTES_MAX, FRAME_HEADER_BYTES, readUint64, writeUint64 } from "../frame.ts";
import { JournalError } from "../journal.ts";
import type { Configuration, Membership } from "../replica/configuration.ts";
import type { Member } from "../replica/facts.ts";
import { MEMBERS_MAX } from "../replica/facts.ts";
import type { ReplicaAnswer, ReplicaRequest, Rot } from "../replica/messages.ts";

const FIELDS_OFFSET = 16;
const CRC_BYTES = 4;
const HEAD_BYTES_MIN = FIELDS_OFFSET + CRC_BYTES;

/** Of a reason; what is longer is cut. */
export const TEXT_BYTES_MAX = 1024;
const TEXTS_MAX = 3;
/** Of a writer's name. */
export const NAME_BYTES_MAX = 128;
const ZONE_BYTES_MAX = 32;
const CLUSTER_ID_BYTES = 16;
const BLANK = "00".repeat(CLUSTER_ID_BYTES);
const HEAD_BYTES_MAX = HEAD_BYTES_MIN + TEXTS_MAX * (2 + TEXT_BYTES_MAX);

/** Frames of one packet are no more than the largest frame together. */
export const PACKET_BYTES_MAX = HEAD_BYTES_MAX + FRAME_BYTES_MAX;

/** A packet that is put together from many reads has room for one read more, with which the next packet begins. */
const READ_BYTES = 64 * 1024;

const STATUS = 1;
const PROMISE = 2;
const FETCH = 3;
const APPEND = 4;
const RELEASE = 5;
const TRIM = 6;
const DESCRIBE = 7;
const MAKE = 8;
const LIST = 9;
const REPAIR = 10;
const BEGIN = 11;
const STATUS_ANSWER = 17;
const PROMISED = 18;
const REFUSED = 19;
const FETCHED = 20;
const DURABLE = 21;
const MISMATCH = 22;
const DONE = 23;
const FAILED = 24;
const DESCRIBED = 25;
const RELEASED_NOTICE = 32;
const STALLED_NOTICE = 33;
const PROMISED_NOTICE = 34;
const ROTTEN_NOTICE = 35;

/** `isVoter` and `isGranted` are the first flag of their messages. */
const FIRST_FLAG = 1;
const VACANT = 2;
const NEW = 4;

/** Not asked for: a reign has given back its lease at this replica. */
export interface ReleasedNotice {
  readonly kind: "released";
  readonly epoch: number;
}

/** Not asked for: the replica waits for its disk, or with null, goes on. */
export interface StalledNotice {
  readonly kind: "stalled";
  readonly reason: JournalError | null;
}

/** Not asked for: the replica has promised an epoch, to a process of this name if it is not empty. */
export interface PromisedNotice {
  readonly kind: "promised to";
  readonly epoch: number;
  readonly name: string;
}

/** Not asked for: frames are not intact on the replica's disk, or with null, all are. */
export interface RottenNotice {
  readonly kind: "rotten";
  readonly rot: Rot | null;
}

/** What comes from a replica. */
export type ReplicaMessage = ReplicaAnswer | ReleasedNotice | StalledNotice | PromisedNotice | RottenNotice;

/** To be written one behind the other. */
export interface Packet {
  readonly head: Buffer;
  readonly frames: readonly Buffer[];
  /** Of both. */
  readonly length: number;
}

/** The bytes are no packet that a sound peer sends: nothing behind them can be read either. */
export class PacketError extends Error {
  override readonly name = "PacketError";
}

const NO_FRAMES: readonly Buffer[] = [];

export function encodeRequest(request: ReplicaRequest): Packet {
  const { seq } = request;
  switch (request.kind) {
    case "status":
      return new Head(STATUS, 0, seq, 0).seal(NO_FRAMES);
    case "promise": {
      const name = cutText(request.name, NAME_BYTES_MAX);
      const head = new Head(PROMISE, 0, seq, 32 + textBytes(name)).u64(request.epoch).u64(request.writer).text(name);
      return head.u64(request.committed.index).u64(request.committed.epoch).seal(NO_FRAMES);
    }
    case "fetch":
      return new Head(FETCH, 0, seq, 24).u64(request.epoch).u64(request.from).u64(request.to).seal(NO_FRAMES);
    case "append":
      return new Head(APPEND, 0, seq, 40)
        .u64(request.epoch)
        .u64(request.attempt)
        .u64(request.committed)
        .milliseconds(request.leaseMs)
        .u64(request.committedEpoch)
        .seal(request.frame === null ? NO_FRAMES : [request.frame]);
    case "release":
      return new Head(RELEASE, 0, seq, 8).u64(request.epoch).seal(NO_FRAMES);
    case "trim":
      return new Head(TRIM, 0, seq, 32 + 8 * request.lacked.length)
        .u64(request.epoch)
        .u64(request.position)
        .u64(request.keptBytesMax)
        .indexes(request.lacked)
        .seal(NO_FRAMES);
    case "begin":
      return new Head(BEGIN, 0, seq, 40 + listBytes(request.list))
        .u64(request.epoch)
        .u64(request.replicaId)
        .u64(request.firstIndex)
        .u64(request.firstPosition)
        .u64(request.previousEpoch)
        .list(request.list)
        .seal(NO_FRAMES);
    case "describe":
      return new Head(DESCRIBE, 0, seq, 0).seal(NO_FRAMES);
    case "make": {
      const head = new Head(MAKE, 0, seq, CLUSTER_ID_BYTES + 8);
      return head.clusterId(request.clusterId).u64(request.salt).seal(NO_FRAMES);
    }
    case "list":
      return new Head(LIST, 0, seq, membersBytes(request.members)).members(request.members).seal(NO_FRAMES);
    case "repair":
      return new Head(REPAIR, 0, seq, 0).seal(request.frames);
  }
}

export function encodeReplicaMessage(message: ReplicaMessage): Packet {
  switch (message.kind) {
    case "status": {
      const { membership } = message;
      const flags = (message.isVoter ? FIRST_FLAG : 0) | (message.isVacant ? VACANT : 0) | (message.isNew ? NEW : 0);
      const name = cutText(message.name, NAME_BYTES_MAX);
      return new Head(STATUS_ANSWER, flags, message.seq, 64 + textBytes(name) + membershipBytes(membership))
        .u64(message.replicaId)
        .u64(message.promised)
        .milliseconds(message.silentForMs)
        .milliseconds(message.leaseLeftMs)
        .u64(message.first)
        .u64(message.last.index)
        .u64(message.last.epoch)
        .u64(message.committed)
        .text(name)
        .membership(membership)
        .seal(NO_FRAMES);
    }
    case "promised":
      return new Head(PROMISED, 0, message.seq, 88 + membershipBytes(message.membership))
        .u64(message.replicaId)
        .u64(message.epoch)
        .u64(message.first)
        .u64(message.firstPosition)
        .u64(message.last.index)
        .u64(message.last.epoch)
        .u64(message.lastPosition)
        .u64(message.committed)
        .milliseconds(message.leaseLeftMs)
        .u64(message.holder)
        .u64(message.committedEpoch)
        .membership(message.membership)
        .seal(NO_FRAMES);
    case "refused": {
      const name = cutText(message.name, NAME_BYTES_MAX);
      return new Head(REFUSED, 0, message.seq, 8 + textBytes(name)).u64(message.promised).text(name).seal(NO_FRAMES);
    }
    case "fetched":
      return new Head(FETCHED, 0, message.seq, 24)
        .u64(message.first)
        .u64(message.committed)
        .u64(message.replicaId)
        .seal(message.frames);
    case "durable":
      return new Head(DURABLE, message.isGranted ? FIRST_FLAG : 0, message.seq, 16)
        .u64(message.index)
        .u64(message.replicaId)
        .seal(NO_FRAMES);
    case "mismatch":
      return new Head(MISMATCH, 0, message.seq, 16).u64(message.attempt).u64(message.hint).seal(NO_FRAMES);
    case "done":
      return new Head(DONE, 0, message.seq, 8).u64(message.firstPosition).seal(NO_FRAMES);
    case "failed": {
      const reason = cutText(message.reason, TEXT_BYTES_MAX);
      return new Head(FAILED, 0, message.seq, textBytes(reason)).text(reason).seal(NO_FRAMES);
    }
    case "described":
      return new Head(DESCRIBED, 0, message.seq, CLUSTER_ID_BYTES + 32 + membersBytes(message.members))
        .clusterId(message.clusterId === "" ? BLANK : message.clusterId)
        .u64(message.salt)
        .u64(message.replicaId)
        .u64(message.lastIndex)
        .u64(message.membersIndex)
        .members(message.members)
        .seal(NO_FRAMES);
    case "promised to": {
      const name = cutText(message.name, NAME_BYTES_MAX);
      return new Head(PROMISED_NOTICE, 0, 0, 8 + textBytes(name)).u64(message.epoch).text(name).seal(NO_FRAMES);
    }
    case "released":
      return new Head(RELEASED_NOTICE, 0, 0, 8).u64(message.epoch).seal(NO_FRAMES);
    case "stalled": {
      const texts = reasonTexts(message.reason);
      return new Head(STALLED_NOTICE, 0, 0, textBytes(...texts)).texts(texts).seal(NO_FRAMES);
    }
    case "rotten": {
      const { from, to, reason } = message.rot ?? { from: 0, to: 0, reason: null };
      const texts = reasonTexts(reason);
      const head = new Head(ROTTEN_NOTICE, 0, 0, 16 + textBytes(...texts));
      return head.u64(from).u64(to).texts(texts).seal(NO_FRAMES);
    }
  }
}

function reasonTexts(reason: JournalError | null): readonly Buffer[] {
  const { code, message, errno } = reason ?? { code: "", message: "", errno: "" };
  return [code, message, errno ?? ""].map((part) => cutText(part, TEXT_BYTES_MAX));
}

/** The text as UTF-8, without what goes beyond the limit; no character is cut in two. */
export function cutText(text: string, bytesMax: number): Buffer {
  const bytes = Buffer.alloc(Math.min(bytesMax, Buffer.byteLength(text)));
  return bytes.subarray(0, bytes.write(text));
}

function textBytes(...texts: readonly Buffer[]): number {
  return texts.reduce((sum, text) => sum + 2 + text.length, 0);
}

function membersBytes(members: readonly Member[]): number {
  return members.reduce((sum, { zone }) => sum + 8 + 2 + zone.length, 8);
}

function membershipBytes({ known, next }: Membership): number {
  return listBytes(known) + listBytes(next ?? NO_LIST);
}

function listBytes({ members }: Configuration): number {
  return 8 + membersBytes(members);
}

const NO_LIST: Configuration = { index: 0, members: [] };

class Head {
  readonly #bytes: Buffer;
  #offset = FIELDS_OFFSET;

  constructor(kind: number, flags: number, seq: number, fieldBytes: number) {
    this.#bytes = Buffer.allocUnsafe(HEAD_BYTES_MIN + fieldBytes);
    this.#bytes.writeUInt16LE(this.#bytes.length, 4);
    this.#bytes[6] = kind;
    this.#bytes[7] = flags;
    writeUint64(this.#bytes, seq, 8);
  }

  u64(value: number): this {
    writeUint64(this.#bytes, value, this.#offset);
    this.#offset += 8;
    return this;
  }

  milliseconds(value: number): this {
    assert(Number.isFinite(value), "a duration is a number");
    assert(value >= 0, "a duration is not negative");
    this.#bytes.writeDoubleLE(value, this.#offset);
    this.#offset += 8;
    return this;
  }

  text(value: Buffer): this {
    this.#bytes.writeUInt16LE(value.length, this.#offset);
    this.#offset += 2;
    this.#offset += value.copy(this.#bytes, this.#offset);
    return this;
  }

  membership({ known, next }: Membership): this {
    return this.list(known).list(next ?? NO_LIST);
  }

  indexes(values: readonly number[]): this {
    this.u64(values.length);
    for (const value of values) this.u64(value);
    return this;
  }

  list({ index, members }: Configuration): this {
    return this.u64(index).members(members);
  }

  clusterId(hex: string): this {
    this.#offset += this.#bytes.write(hex, this.#offset, "hex");
    return this;
  }

  members(members: readonly Member[]): this {
    this.u64(members.length);
    for (const { replicaId, zone } of members) this.u64(replicaId).text(Buffer.from(zone, "latin1"));
    return this;
  }

  texts(values: readonly Buffer[]): this {
    for (const value of values) this.text(value);
    return this;
  }

  seal(frames: readonly Buffer[]): Packet {
    const head = this.#bytes;
    const crcOffset = head.length - CRC_BYTES;
    assert(this.#offset === crcOffset, "a head holds its fields and nothing else");
    let length = head.length;
    for (const frame of frames) {
      assert(frame.length >= FRAME_HEADER_BYTES, "a frame has a header");
      assert(frame.readUInt32LE(0) === frame.length, "a frame is sent as a whole");
      length += frame.length;
    }
    assert(length - head.length <= FRAME_BYTES_MAX, "frames of a packet are not too many");
    head.writeUInt32LE(length, 0);
    head.writeUInt32LE(crc32(head.subarray(0, crcOffset)), crcOffset);
    return { head, frames, length };
  }
}

/** A head that is read field by field. Its checksum was right, so what is wrong in it was sent so. */
class HeadFields {
  readonly kind: number;
  readonly flags: number;
  readonly seq: number;
  readonly #bytes: Buffer;
  #offset = FIELDS_OFFSET;

  constructor(head: Buffer) {
    this.#bytes = head.subarray(0, head.length - CRC_BYTES);
    this.kind = head[6];
    this.flags = head[7];
    this.seq = count(readUint64(head, 8));
  }

  u64(): number {
    return count(readUint64(this.#bytes, this.#take(8)));
  }

  milliseconds(): number {
    const value = this.#bytes.readDoubleLE(this.#take(8));
    if (!(value >= 0 && value < Infinity)) throw new PacketError("a packet has a duration that is none");
    return value;
  }

  text(): string {
    const length = this.#bytes.readUInt16LE(this.#take(2));
    const start = this.#take(length);
    return this.#bytes.toString("utf8", start, start + length);
  }

  membership(): Membership {
    const known = this.list();
    const next = this.list();
    return { known, next: next.members.length === 0 ? null : next };
  }

  list(): Configuration {
    return { index: this.u64(), members: this.members() };
  }

  indexes(): readonly number[] {
    const length = this.u64();
    if (length > MEMBERS_MAX) throw new PacketError("a packet tells of too many replicas");
    return Array.from({ length }, () => this.u64());
  }

  clusterId(): string {
    const start = this.#take(CLUSTER_ID_BYTES);
    return this.#bytes.toString("hex", start, start + CLUSTER_ID_BYTES);
  }

  members(): readonly Member[] {
    const length = this.u64();
    if (length > MEMBERS_MAX) throw new PacketError("a packet lists too many replicas");
    return Array.from({ length }, () => {
      const replicaId = this.u64();
      const zone = this.text();
      if (!/^[a-z0-9-]+$/.test(zone) || zone.length > ZONE_BYTES_MAX)
        throw new PacketError("a packet names a zone that is none");
      return { zone, replicaId };
    });
  }

  end(): void {
    if (this.#offset !== this.#bytes.length) throw new PacketError("a packet has fields that its kind has not");
  }

  #take(bytes: number): number {
    const offset = this.#offset;
    this.#offset += bytes;
    if (this.#offset > this.#bytes.length) throw new PacketError("a packet lacks fields of its kind");
    return offset;
  }
}

function count(value: number): number {
  if (!Number.isSafeInteger(value)) throw new PacketError("a packet has a number that is too large");
  return value;
}

/** Makes a message of a head and the frames behind it. */
export type Decode<Message> = (fields: HeadFields, frames: readonly Buffer[]) => Message;

export function decodeRequest(fields: HeadFields, frames: readonly Buffer[]): ReplicaRequest {
  const { kind, seq } = fields;
  if (kind !== REPAIR && frames.length > (kind === APPEND ? 1 : 0))
    throw new PacketError("a request brings more frames than its kind can");
  switch (kind) {
    case STATUS:
      return { kind: "status", seq };
    case PROMISE:
      return {
        kind: "promise",
        seq,
        epoch: fields.u64(),
        writer: fields.u64(),
        name: fields.text(),
        committed: { index: fields.u64(), epoch: fields.u64() },
      };
    case FETCH:
      return { kind: "fetch", seq, epoch: fields.u64(), from: fields.u64(), to: fields.u64() };
    case APPEND:
      return {
        kind: "append",
        seq,
        epoch: fields.u64(),
        attempt: fields.u64(),
        committed: fields.u64(),
        leaseMs: fields.milliseconds(),
        committedEpoch: fields.u64(),
        frame: frames.length === 0 ? null : frames[0],
      };
    case RELEASE:
      return { kind: "release", seq, epoch: fields.u64() };
    case TRIM:
      return {
        kind: "trim",
        seq,
        epoch: fields.u64(),
        position: fields.u64(),
        keptBytesMax: fields.u64(),
        lacked: fields.indexes(),
      };
    case BEGIN:
      return {
        kind: "begin",
        seq,
        epoch: fields.u64(),
        replicaId: fields.u64(),
        firstIndex: fields.u64(),
        firstPosition: fields.u64(),
        previousEpoch: fields.u64(),
        list: fields.list(),
      };
    case DESCRIBE:
      return { kind: "describe", seq };
    case MAKE:
      return { kind: "make", seq, clusterId: fields.clusterId(), salt: fields.u64() };
    case LIST:
      return { kind: "list", seq, members: fields.members() };
    case REPAIR:
      if (frames.length === 0) throw new PacketError("a repair brings no frame");
      return { kind: "repair", seq, frames };
    default:
      throw new PacketError(`a packet of kind ${kind} is no request`);
  }
}

export function decodeReplicaMessage(fields: HeadFields, frames: readonly Buffer[]): ReplicaMessage {
  const { kind, flags, seq } = fields;
  if (kind !== FETCHED && frames.length > 0) throw new PacketError("an answer brings frames that its kind cannot");
  switch (kind) {
    case STATUS_ANSWER:
      return {
        kind: "status",
        seq,
        isVoter: (flags & FIRST_FLAG) !== 0,
        isVacant: (flags & VACANT) !== 0,
        isNew: (flags & NEW) !== 0,
        replicaId: fields.u64(),
        promised: fields.u64(),
        silentForMs: fields.milliseconds(),
        leaseLeftMs: fields.milliseconds(),
        first: fields.u64(),
        last: { index: fields.u64(), epoch: fields.u64() },
        committed: fields.u64(),
        name: fields.text(),
        membership: fields.membership(),
      };
    case PROMISED:
      return {
        kind: "promised",
        seq,
        replicaId: fields.u64(),
        epoch: fields.u64(),
        first: fields.u64(),
        firstPosition: fields.u64(),
        last: { index: fields.u64(), epoch: fields.u64() },
        lastPosition: fields.u64(),
        committed: fields.u64(),
        leaseLeftMs: fields.milliseconds(),
        holder: fields.u64(),
        committedEpoch: fields.u64(),
        membership: fields.membership(),
      };
    case REFUSED:
      return { kind: "refused", seq, promised: fields.u64(), name: fields.text() };
    case FETCHED:
      return {
        kind: "fetched",
        seq,
        first: fields.u64(),
        committed: fields.u64(),
        replicaId: fields.u64(),
        frames,
      };
    case DURABLE:
      return {
        kind: "durable",
        seq,
        isGranted: (flags & FIRST_FLAG) !== 0,
        index: fields.u64(),
        replicaId: fields.u64(),
      };
    case MISMATCH:
      return { kind: "mismatch", seq, attempt: fields.u64(), hint: fields.u64() };
    case DONE:
      return { kind: "done", seq, firstPosition: fields.u64() };
    case FAILED:
      return { kind: "failed", seq, reason: fields.text() };
    case DESCRIBED: {
      const clusterId = fields.clusterId();
      return {
        kind: "described",
        seq,
        clusterId: clusterId === BLANK ? "" : clusterId,
        salt: fields.u64(),
        replicaId: fields.u64(),
        lastIndex: fields.u64(),
        membersIndex: fields.u64(),
        members: fields.members(),
      };
    }
    case PROMISED_NOTICE:
      return { kind: "promised to", epoch: fields.u64(), name: fields.text() };
    case RELEASED_NOTICE:
      return { kind: "released", epoch: fields.u64() };
    case STALLED_NOTICE:
      return { kind: "stalled", reason: decodeReason(fields) };
    case ROTTEN_NOTICE: {
      const from = fields.u64();
      const to = fields.u64();
      const reason = decodeReason(fields);
      return { kind: "rotten", rot: reason === null ? null : { from, to, reason } };
    }
    default:
      throw new PacketError(`a packet of kind ${kind} is no answer`);
  }
}

function decodeReason(fields: HeadFields): JournalError | null {
  const code = fields.text();
  const message = fields.text();
  const errno = fields.text();
  if (code === "") return null;
  const cause = errno === "" ? undefined : Object.assign(new Error(errno), { code: errno });
  return new JournalError(code, message, { cause });
}

/**
 * Makes messages of a stream of bytes, however it is cut. Bytes that were pushed are the reader's and are never written
 * again: frames lie in them.
 */
export class PacketReader<Message> {
  readonly #decode: Decode<Message>;
  readonly #isIntact: (frame: Buffer) => boolean;
  /** What was not read yet lies at `#bytes[#start … #end)`; there may be room behind it. */
  #bytes: Buffer = Buffer.alloc(0);
  #start = 0;
  #end = 0;
  /** Of the packet that has not come whole, once its head has come and is sound; else 0. */
  #packetLength = 0;

  /** @param isIntact whether a frame, whose length is right, is what its writer has sealed */
  constructor(decode: Decode<Message>, isIntact: (frame: Buffer) => boolean) {
    this.#decode = decode;
    this.#isIntact = isIntact;
  }

  push(chunk: Buffer): void {
    const unread = this.#end - this.#start;
    if (unread === 0) {
      this.#bytes = chunk;
      this.#start = 0;
      this.#end = chunk.length;
      return;
    }
    if (this.#bytes.length - this.#end < chunk.length) {
      const needed = Math.max(unread + chunk.length, this.#packetLength + READ_BYTES);
      const bytes = Buffer.allocUnsafeSlow(needed);
      this.#bytes.copy(bytes, 0, this.#start, this.#end);
      this.#bytes = bytes;
      this.#start = 0;
      this.#end = unread;
    }
    this.#end += chunk.copy(this.#bytes, this.#end);
  }

  /**
   * The next message, or null when it has not come whole.
   *
   * @throws PacketError
   */
  next(): Message | null {
    if (this.#packetLength === 0 && !this.#readHead()) return null;
    const end = this.#start + this.#packetLength;
    if (this.#end < end) return null;
    const headEnd = this.#start + this.#bytes.readUInt16LE(this.#start + 4);
    const fields = new HeadFields(this.#bytes.subarray(this.#start, headEnd));
    const message = this.#decode(fields, this.#frames(headEnd, end));
    fields.end();
    this.#start = end;
    this.#packetLength = 0;
    return message;
  }

  /** Nothing more comes. @throws PacketError when something should */
  end(): void {
    if (this.#end > this.#start) throw new PacketError("the bytes end within a packet");
  }

  /** The head is looked at before what follows it is waited for. */
  #readHead(): boolean {
    const unread = this.#end - this.#start;
    if (unread < HEAD_BYTES_MIN) return false;
    const length = this.#bytes.readUInt32LE(this.#start);
    const headLength = this.#bytes.readUInt16LE(this.#start + 4);
    if (length > PACKET_BYTES_MAX)
      throw new PacketError(`a packet of ${length} bytes is beyond the limit of ${PACKET_BYTES_MAX}`);
    if (headLength < HEAD_BYTES_MIN || headLength > HEAD_BYTES_MAX || headLength > length)
      throw new PacketError("a packet's head is damaged");
    if (unread < headLength) return false;
    const crcOffset = this.#start + headLength - CRC_BYTES;
    if (crc32(this.#bytes.subarray(this.#start, crcOffset)) !== this.#bytes.readUInt32LE(crcOffset))
      throw new PacketError("a packet's head is damaged");
    this.#packetLength = length;
    return true;
  }

  #frames(start: number, end: number): readonly Buffer[] {
    if (start === end) return NO_FRAMES;
    const frames: Buffer[] = [];
    for (let offset = start; offset < end;) {
      const length = end - offset < FRAME_HEADER_BYTES ? 0 : this.#bytes.readUInt32LE(offset);
      if (length < FRAME_HEADER_BYTES || length > end - offset)
        throw new PacketError("a packet brings a damaged frame");
      const frame = this.#bytes.subarray(offset, offset + length);
      if (!this.#isIntact(frame)) throw new PacketError("a packet brings a damaged frame");
      frames.push(frame);
      offset += length;
    }
    return frames;
  }
}
