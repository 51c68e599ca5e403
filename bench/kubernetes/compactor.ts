/**
 * An apiserver's compaction of the history: every five minutes all apiservers ask for it, one of them is first and compacts
 * to the revision of the time before. Which is first is decided by the version of a key in the store.
 */

import { decodeKeyValue } from "../../proto/encoded-kv.ts";
import { COMPARE_EQUAL, TARGET_VERSION, UNION_VERSION } from "../../proto/messages.ts";
import { writeCompactionRequest, writeTxnRequest } from "../../proto/request-writers.ts";
import { decodeTxnResponse } from "../../proto/response-readers.ts";
import { Writer } from "../../proto/writer.ts";
import { compare, put, range } from "../client/requests.ts";
import type { Apiserver } from "./apiserver.ts";
import type { MeasuredKind } from "./measured-kind.ts";
import { TXN_PATH } from "./txns.ts";

const KEY = "compact_rev_key";

const writer = new Writer();

export class Compactor {
  readonly #apiserver: Apiserver;
  /** The version of the key as it was seen last. */
  #version = 0;
  /** The store's revision at that time. */
  #revision = 0;

  constructor(apiserver: Apiserver) {
    this.#apiserver = apiserver;
  }

  /** The Txn is one operation of `kind`, and of the one who is first the compaction is another. */
  run(kind: MeasuredKind, intendedMs: number): void {
    kind.due(intendedMs);
    this.#apiserver.submit({
      kind,
      intendedMs,
      path: TXN_PATH,
      request: () => this.#txn(),
      onReply: (reply) => {
        const { header, succeeded, responses } = decodeTxnResponse(reply);
        const to = this.#revision;
        this.#revision = header?.revision ?? 0;
        if (succeeded) {
          this.#version++;
          if (to !== 0) this.#compact(kind, intendedMs, to);
          return null;
        }
        const [read] = responses;
        if (read?.case !== "range" || read.response.kvs.length === 0) return "who is not first reads the key";
        this.#version = decodeKeyValue(read.response.kvs[0]).version;
        return null;
      },
      onFailure() {},
    });
  }

  #compact(kind: MeasuredKind, intendedMs: number, revision: number): void {
    kind.due(intendedMs);
    this.#apiserver.submit({
      kind,
      intendedMs,
      path: "/etcdserverpb.KV/Compact",
      request() {
        writer.reset();
        writeCompactionRequest(writer, { revision, physical: false });
        return writer.bytes();
      },
      onReply: () => null,
      onFailure() {},
    });
  }

  #txn(): Buffer {
    const isAsSeen = compare(KEY, {
      result: COMPARE_EQUAL,
      target: TARGET_VERSION,
      union: UNION_VERSION,
      number: this.#version,
    });
    writer.reset();
    writeTxnRequest(writer, {
      compare: [isAsSeen],
      success: [put(KEY, String(this.#revision))],
      failure: [range(KEY)],
    });
    return writer.bytes();
  }
}
