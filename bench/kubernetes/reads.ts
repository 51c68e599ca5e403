/** What the apiservers read of the store itself: single objects, and lists in pages. */

import { writeRangeRequest } from "../../proto/request-writers.ts";
import { emptyRangeRequest } from "../../proto/requests.ts";
import { Writer } from "../../proto/writer.ts";
import { prefixEnd } from "../client/requests.ts";
import type { Apiserver } from "./apiserver.ts";
import { monotonicMs } from "./clock.ts";
import type { MeasuredKind } from "./measured-kind.ts";
import type { ObjectTable } from "./object-table.ts";
import { readListPage, readOnlyKv } from "./replies.ts";
import { LIST_PAGES_MAX, type Resource } from "./scale.ts";

export const RANGE_PATH = "/etcdserverpb.KV/Range";

/** What clients of Kubernetes ask for; they go on where a page ends. */
const PAGE_OBJECTS = 500;

const writer = new Writer();

export function getRequest(key: Buffer): Buffer {
  writer.reset();
  writeRangeRequest(writer, { ...emptyRangeRequest(), key });
  return writer.bytes();
}

/** Reads one object, which must not be older than the last answer to a write of it. */
export function get(apiserver: Apiserver, kind: MeasuredKind, table: ObjectTable, i: number, intendedMs: number): void {
  kind.due(intendedMs);
  let known = 0;
  apiserver.submit({
    kind,
    intendedMs,
    path: RANGE_PATH,
    request() {
      known = table.revision(i);
      return getRequest(table.keys.key(i));
    },
    onReply(reply) {
      const read = readOnlyKv(reply)?.modRevision ?? Number.POSITIVE_INFINITY; // It may have been deleted meanwhile.
      return read < known ? "an object is older than the last answer to a write of it" : null;
    },
    onFailure() {},
  });
}

/**
 * Reads a list page after page, all at the revision of the first, up to `LIST_PAGES_MAX`: so all of a very long resource is
 * never read, and no list lives long. Each page is one operation; its client asks for the next as soon as it has one.
 */
export function listPages(apiserver: Apiserver, kind: MeasuredKind, { prefix }: Resource, intendedMs: number): void {
  const rangeEnd = prefixEnd(prefix);
  const readPage = (ms: number, key: Buffer, revision: number, pages: number): void => {
    kind.due(ms);
    apiserver.submit({
      kind,
      intendedMs: ms,
      path: RANGE_PATH,
      request() {
        writer.reset();
        writeRangeRequest(writer, { ...emptyRangeRequest(), key, rangeEnd, limit: PAGE_OBJECTS, revision });
        return writer.bytes();
      },
      onReply(reply) {
        const page = readListPage(reply);
        if (page.more && page.kvs !== PAGE_OBJECTS) return "a page that is not the last is not full";
        if (page.lastKey === null) return page.more ? "a page is empty" : null;
        if (page.lastKey.compare(key) < 0) return "a page begins before it should";
        if (page.more && pages < LIST_PAGES_MAX) {
          const next = Buffer.concat([page.lastKey, Buffer.alloc(1)]);
          readPage(monotonicMs(), next, revision === 0 ? page.revision : revision, pages + 1);
        }
        return null;
      },
      onFailure() {},
    });
  };
  readPage(intendedMs, Buffer.from(prefix, "latin1"), 0, 1);
}
