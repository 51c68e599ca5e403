/**
 * What both ends of a connection say first: who they are and whom they look for. Nothing else is sent before each has found
 * the other to be the right one. Integers are little-endian.
 *
 *   offset  size  field
 *        0     8  magic       in every version of the protocol, as is what stands up to offset 16
 *        8     4  version
 *       12     4  length      of the whole greeting
 *       16    16  clusterId   zeros when there is none
 *       32     4  salt        of the journal's frames
 *       36     8  writer      number of the process that writes or looks; 0 from a replica
 *       44     1  flags       1: the journal is not known here; clusterId and salt say nothing. 2: the connection is for files
 *                             (file-packet.ts); a replica says so to who has said so
 *       45     1  zoneLength  z
 *       46     2  reasonLength  r
 *       48     z  zone        the writer's: whose replica it looks for; the replica's: its own
 *        …     r  reason      why the replica refuses (UTF-8); empty when it does not
 *        …     4  crc         crc32 of all before
 *
 * A blank replica waits to be formed; a blank writer asks which journal it is that the replica keeps.
 */
import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { readUint64, writeUint64 } from "../frame.ts";
import { cutText } from "./message-codec.ts";

const MAGIC = Buffer.from("PlnRepl\n", "latin1");
export const PROTOCOL_VERSION = 2;

const PREFIX_BYTES = 16;
const FIXED_BYTES = 48;
const CRC_BYTES = 4;
const CLUSTER_ID_BYTES = 16;
const REASON_BYTES_MAX = 1024;
const ZONE_BYTES_MAX = 32;
const GREETING_BYTES_MIN = FIXED_BYTES + CRC_BYTES;
const GREETING_BYTES_MAX = GREETING_BYTES_MIN + ZONE_BYTES_MAX + REASON_BYTES_MAX;

const BLANK_FLAG = 1;
const FILES_FLAG = 2;

const NO_CLUSTER_ID = Buffer.alloc(CLUSTER_ID_BYTES);

/** Which journal it is. */
export interface JournalIdentity {
  /** 16 bytes. */
  readonly clusterId: Buffer;
  readonly salt: number;
}

export interface Greeting {
  /** Null when it is not known. */
  readonly identity: JournalIdentity | null;
  readonly zone: string;
  readonly writer: number;
  /** Why the sender wants nothing more of the receiver; empty when it does. */
  readonly reason: string;
  /** The connection is for files, and not for frames. */
  readonly isForFiles: boolean;
}

/** The bytes are no greeting; the message says what they are, to follow "it". */
export class GreetingError extends Error {
  override readonly name = "GreetingError";
  /** It speaks the protocol, if another version, and would understand a refusal. */
  readonly isKin: boolean;

  constructor(message: string, isKin: boolean) {
    super(message);
    this.isKin = isKin;
  }
}

export function encodeGreeting({ identity, zone, writer, reason, isForFiles }: Greeting): Buffer {
  const zoneBytes = Buffer.from(zone, "latin1");
  const reasonBytes = cutText(reason, REASON_BYTES_MAX);
  assert(zoneBytes.length <= ZONE_BYTES_MAX, "a zone has a short name");
  assert((identity?.clusterId ?? NO_CLUSTER_ID).length === CLUSTER_ID_BYTES, "a cluster id has 16 bytes");
  const bytes = Buffer.alloc(GREETING_BYTES_MIN + zoneBytes.length + reasonBytes.length);
  MAGIC.copy(bytes, 0);
  bytes.writeUInt32LE(PROTOCOL_VERSION, 8);
  bytes.writeUInt32LE(bytes.length, 12);
  if (identity !== null) identity.clusterId.copy(bytes, 16);
  bytes.writeUInt32LE(identity?.salt ?? 0, 32);
  writeUint64(bytes, writer, 36);
  bytes[44] = (identity === null ? BLANK_FLAG : 0) | (isForFiles ? FILES_FLAG : 0);
  bytes[45] = zoneBytes.length;
  bytes.writeUInt16LE(reasonBytes.length, 46);
  zoneBytes.copy(bytes, FIXED_BYTES);
  reasonBytes.copy(bytes, FIXED_BYTES + zoneBytes.length);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, -CRC_BYTES)), bytes.length - CRC_BYTES);
  return bytes;
}

/** Makes the greeting of the bytes that come first, however they are cut. */
export class GreetingReader {
  #bytes = Buffer.alloc(0);

  /**
   * @returns null while it has not come whole
   * @throws GreetingError as soon as it is known that none comes
   */
  push(chunk: Buffer): Greeting | null {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    const bytes = this.#bytes;
    if (!isBeginOfMagic(bytes)) throw new GreetingError(`speaks ${describeStranger(bytes)}`, false);
    if (bytes.length < PREFIX_BYTES) return null;
    const version = bytes.readUInt32LE(8);
    if (version !== PROTOCOL_VERSION)
      throw new GreetingError(
        `speaks version ${version} of the replicas' protocol, and here is version ${PROTOCOL_VERSION}`,
        true,
      );
    const length = bytes.readUInt32LE(12);
    if (length < GREETING_BYTES_MIN || length > GREETING_BYTES_MAX) throw damaged();
    return bytes.length < length ? null : decode(bytes.subarray(0, length));
  }

  /** What came behind the greeting. */
  get rest(): Buffer {
    return this.#bytes.subarray(this.#bytes.readUInt32LE(12));
  }

  /** Bytes that have come so far. */
  get length(): number {
    return this.#bytes.length;
  }
}

/** @returns why the two have nothing to say to one another, the same at both ends; null when they do */
export function findDisagreement(writer: Greeting, replica: Greeting): string | null {
  if (writer.zone !== replica.zone)
    return `the writer looks for the replica of zone ${writer.zone}, and this is that of zone ${replica.zone}`;
  if (writer.identity === null || replica.identity === null) return null;
  const [wanted, found] = [writer.identity, replica.identity];
  if (!wanted.clusterId.equals(found.clusterId)) {
    const [theirs, ours] = [wanted, found].map(({ clusterId }) => clusterId.toString("hex"));
    return `the writer is of cluster ${theirs}, and the replica of cluster ${ours}`;
  }
  return wanted.salt === found.salt ? null : "the replica keeps another journal of this cluster: its salt differs";
}

function decode(bytes: Buffer): Greeting {
  const zoneLength = bytes[45];
  const reasonLength = bytes.readUInt16LE(46);
  const crcOffset = bytes.length - CRC_BYTES;
  if (crc32(bytes.subarray(0, crcOffset)) !== bytes.readUInt32LE(crcOffset)) throw damaged();
  if (FIXED_BYTES + zoneLength + reasonLength !== crcOffset) throw damaged();
  const writer = readUint64(bytes, 36);
  if (!Number.isSafeInteger(writer)) throw damaged();
  const reasonOffset = FIXED_BYTES + zoneLength;
  const isBlank = (bytes[44] & BLANK_FLAG) !== 0;
  return {
    // Copied: who keeps an identity keeps no read of a socket.
    identity: isBlank ? null : { clusterId: Buffer.from(bytes.subarray(16, 32)), salt: bytes.readUInt32LE(32) },
    zone: bytes.toString("latin1", FIXED_BYTES, reasonOffset),
    writer,
    reason: bytes.toString("utf8", reasonOffset, crcOffset),
    isForFiles: (bytes[44] & FILES_FLAG) !== 0,
  };
}

function damaged(): GreetingError {
  return new GreetingError("sent a damaged greeting", true);
}

function isBeginOfMagic(bytes: Buffer): boolean {
  const length = Math.min(bytes.length, MAGIC.length);
  return bytes.compare(MAGIC, 0, length, 0, length) === 0;
}

/** For whoever has to find out what it is that calls here, or what it is that was called. */
function describeStranger(bytes: Buffer): string {
  const text = bytes.toString("latin1", 0, 8);
  if (/^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|CONNECT|TRACE|PRI) /.test(text) || text.startsWith("HTTP/"))
    return "HTTP";
  if (text.startsWith("SSH-")) return "SSH";
  // A record of TLS begins with its type (21 an alert, 22 a handshake) and the version's first half.
  if (bytes.length > 1 && (bytes[0] === 21 || bytes[0] === 22) && bytes[1] === 3) return "TLS, and here is plain TCP";
  return `another protocol: its first bytes are ${bytes.toString("hex", 0, 8)}`;
}
