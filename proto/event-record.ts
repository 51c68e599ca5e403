/**
 * A watch event as bytes: makes EventRecords and reads them.
 *
 *     0x5a | varint length | Event
 *
 *     Event      0x08 0x01 for a delete, nothing for a put
 *                0x12 varint length, KeyValue          the KeyRecord as it is
 *                0x1a varint length, KeyValue          the previous KeyRecord but for its first byte
 *
 * It is made once for each event (and once more where some watchers want prev_kv and others do not) and shared by all
 * watchers.
 */
import { Buffer } from "node:buffer";
import { DecodeError } from "./decode-error.ts";
import { emptyKeyValue, mergeKeyValue } from "./key-record.ts";
import type { Event, EventRecord, KeyRecord } from "./messages.ts";
import { EVENT_PUT } from "./messages.ts";
import { Reader } from "./reader.ts";
import { int64Size, putInt64, putUint32, uint32Size } from "./varint.ts";

/** The first byte of every EventRecord: field 11, an embedded message. */
export const EVENT_RECORD_TAG = 0x5a;

const TYPE_TAG = 0x08;
const KV_TAG = 0x12;
const PREV_KV_TAG = 0x1a;

/**
 * Makes the record of an event.
 *
 * @param type EVENT_PUT or EVENT_DELETE
 * @param kv the key as it is now; a tombstone's record for a delete
 * @param prevKv the key as it was, or null where there was none or nobody wants it
 */
export function encodeEventRecord(type: number, kv: KeyRecord, prevKv: KeyRecord | null): EventRecord {
  const size = (type === EVENT_PUT ? 0 : 1 + int64Size(type)) + kv.length + (prevKv === null ? 0 : prevKv.length);
  const record = Buffer.allocUnsafe(1 + uint32Size(size) + size);
  record[0] = EVENT_RECORD_TAG;
  let next = putUint32(record, 1, size);
  if (type !== EVENT_PUT) {
    record[next] = TYPE_TAG;
    next = putInt64(record, next + 1, type);
  }
  record.set(kv, next);
  if (prevKv !== null) {
    next += kv.length;
    record.set(prevKv, next);
    record[next] = PREV_KV_TAG;
  }
  return record;
}

/** Puts tag and length before the bytes of an Event. */
export function eventRecordOf(event: Buffer): EventRecord {
  const record = Buffer.allocUnsafe(1 + uint32Size(event.length) + event.length);
  record[0] = EVENT_RECORD_TAG;
  event.copy(record, putUint32(record, 1, event.length));
  return record;
}

/**
 * Decodes one record. Keys and values are views into it.
 *
 * @throws DecodeError also when bytes follow the record
 */
export function decodeEvent(record: EventRecord): Event {
  const event: Event = { type: EVENT_PUT, kv: null, prevKv: null };
  const reader = new Reader(record);
  if (!reader.hasMore()) throw new DecodeError("empty record");
  if ((reader.tag() & 7) !== (EVENT_RECORD_TAG & 7)) throw new DecodeError("not a record");
  reader.enter();
  if (reader.limit !== record.length) throw new DecodeError("bytes after the record");
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
