/**
 * A watch event as bytes: makes EncodedEvents and reads them.
 *
 *     0x5a | varint length | Event
 *
 *     Event      0x08 0x01 for a delete, nothing for a put
 *                0x12 varint length, KeyValue          the EncodedKv as it is
 *                0x1a varint length, KeyValue          the previous EncodedKv but for its first byte
 *
 * It is made once for each event (and once more where some watchers want prev_kv and others do not) and shared by all
 * watchers.
 */
import { Buffer } from "node:buffer";
import { copyShared } from "./copy-shared.ts";
import { DecodeError } from "./decode-error.ts";
import { emptyKeyValue, mergeKeyValue } from "./encoded-kv.ts";
import type { Event, EncodedEvent, EncodedKv } from "./messages.ts";
import { EVENT_PUT } from "./messages.ts";
import { Reader } from "./reader.ts";
import { int64Size, putInt64, putUint32, uint32Size } from "./varint.ts";

/** The first byte of every EncodedEvent: field 11, an embedded message. */
export const ENCODED_EVENT_TAG = 0x5a;

const TYPE_TAG = 0x08;
const KV_TAG = 0x12;
const PREV_KV_TAG = 0x1a;

/**
 * Makes an encoded event.
 *
 * @param type EVENT_PUT or EVENT_DELETE
 * @param kv the key as it is now; a tombstone for a delete
 * @param prevKv the key as it was, or null where there was none or nobody wants it
 */
export function encodeEvent(type: number, kv: EncodedKv, prevKv: EncodedKv | null): EncodedEvent {
  const encoded = Buffer.allocUnsafe(encodedEventSize(type, kv, prevKv));
  putEvent(encoded, type, kv, prevKv);
  return encoded;
}

/** How many bytes `encodeEvent` makes of the same. */
export function encodedEventSize(type: number, kv: EncodedKv, prevKv: EncodedKv | null): number {
  const size = eventSize(type, kv, prevKv);
  return 1 + uint32Size(size) + size;
}

function eventSize(type: number, kv: EncodedKv, prevKv: EncodedKv | null): number {
  return (type === EVENT_PUT ? 0 : 1 + int64Size(type)) + kv.length + (prevKv === null ? 0 : prevKv.length);
}

/** Writes the same to room of the right size. */
export function putEvent(encoded: Buffer, type: number, kv: EncodedKv, prevKv: EncodedKv | null): void {
  const size = eventSize(type, kv, prevKv);
  encoded[0] = ENCODED_EVENT_TAG;
  let next = putUint32(encoded, 1, size);
  if (type !== EVENT_PUT) {
    encoded[next] = TYPE_TAG;
    next = putInt64(encoded, next + 1, type);
  }
  copyShared(kv, encoded, next);
  if (prevKv !== null) {
    next += kv.length;
    copyShared(prevKv, encoded, next);
    encoded[next] = PREV_KV_TAG;
  }
}

/** How many encoded events follow one another. */
export function countEvents(encoded: Buffer): number {
  let count = 0;
  for (let at = 0; at < encoded.length; count++) at += encodedEventBytes(encoded, at);
  return count;
}

/** How long the encoded event is that begins at an offset, and was made here. */
export function encodedEventBytes(encoded: Buffer, at: number): number {
  let next = at + 1;
  let length = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = encoded[next++];
    length |= (byte & 0x7f) << shift;
    if (byte < 0x80) return next - at + length;
  }
}

/** Puts tag and length before the bytes of an Event. */
export function encodedEventOf(event: Buffer): EncodedEvent {
  const encoded = Buffer.allocUnsafe(1 + uint32Size(event.length) + event.length);
  encoded[0] = ENCODED_EVENT_TAG;
  event.copy(encoded, putUint32(encoded, 1, event.length));
  return encoded;
}

/**
 * Decodes one encoded event. Keys and values are views into it.
 *
 * @throws DecodeError also when bytes follow it
 */
export function decodeEvent(encoded: EncodedEvent): Event {
  const event: Event = { type: EVENT_PUT, kv: null, prevKv: null };
  const reader = new Reader(encoded);
  if (!reader.hasMore()) throw new DecodeError("empty encoded form");
  if ((reader.tag() & 7) !== (ENCODED_EVENT_TAG & 7)) throw new DecodeError("not an encoded form");
  reader.enter();
  if (reader.limit !== encoded.length) throw new DecodeError("bytes after the encoded form");
  while (reader.hasMore()) {
    const tag = reader.tag();
    switch (tag) {
      case TYPE_TAG:
        event.type = reader.int32();
        break;
      case KV_TAG: {
        const outer = reader.enter();
        event.kv ??= emptyKeyValue();
        mergeKeyValue(reader, event.kv);
        reader.leave(outer);
        break;
      }
      case PREV_KV_TAG: {
        const outer = reader.enter();
        event.prevKv ??= emptyKeyValue();
        mergeKeyValue(reader, event.prevKv);
        reader.leave(outer);
        break;
      }
      default:
        reader.skip(tag);
    }
  }
  return event;
}
