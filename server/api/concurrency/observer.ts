/**
 * Tells of who leads an election and what it proclaims, from now on:
 *
 *     who is oldest? ──► nobody: watch the line for the first put ─┐
 *            ▲  └──────► a key: tell ◄─────────────────────────────┘
 *            │                    └──► watch it: tell of each put
 *            └─────── deleted ◄────────┘
 *
 * What is between two of them may be passed over, as in etcd. When it cannot go on the stream ends without an error, as there.
 */
import assert from "node:assert/strict";
import { leaderResponse } from "../../../proto/concurrency.ts";
import { decodeEvent } from "../../../proto/encoded-event.ts";
import { decodeKeyValue } from "../../../proto/encoded-kv.ts";
import { EVENT_DELETE, FILTER_NODELETE } from "../../../proto/messages.ts";
import type { Event, KeyValue, ResponseHeader, WatchCreateRequest, WatchResponse } from "../../../proto/messages.ts";
import { OK } from "../../../proto/grpc-codes.ts";
import { emptyWatchCreateRequest } from "../../../proto/requests.ts";
import { Refusal } from "../../../partitions/refusals.ts";
import type { Leadership } from "../../engine/leadership.ts";
import { TOO_MANY_REQUESTS } from "../../engine/refusals.ts";
import type { StreamCall, StreamListener } from "../../transport/service.ts";
import { ended } from "../method.ts";
import { headerOf, oldestOf } from "./contention.ts";
import type { Line } from "./contention.ts";
import type { OwnCalls, OwnWatch } from "./own-calls.ts";
import type { WaitingCalls } from "./waiting-calls.ts";

export function observe(
  calls: OwnCalls,
  call: StreamCall,
  line: Line,
  waiting: WaitingCalls,
  leadership: Leadership,
): StreamListener {
  if (!waiting.enter()) return ended(call, TOO_MANY_REQUESTS);
  if (call.metadata.hasLeader) leadership.require(call);
  const observer = new Observer(calls, call, line, waiting, () => {
    leadership.release(call);
    waiting.leave();
  });
  observer.begin();
  return observer;
}

class Observer implements StreamListener {
  readonly #calls: OwnCalls;
  readonly #call: StreamCall;
  readonly #line: Line;
  readonly #waiting: WaitingCalls;
  readonly #onClosed: () => void;
  #watch: OwnWatch | null = null;

  constructor(calls: OwnCalls, call: StreamCall, line: Line, waiting: WaitingCalls, onClosed: () => void) {
    this.#calls = calls;
    this.#call = call;
    this.#line = line;
    this.#waiting = waiting;
    this.#onClosed = onClosed;
  }

  begin(): void {
    // What fails ends the call.
    void this.#look().catch((error: unknown) => this.#call.end(this.#waiting.failedWith(error)));
  }

  onMessage(): void {}

  onHalfClose(): void {}

  onDrain(): void {
    this.#watch?.onDrain();
  }

  onClose(): void {
    this.#watch?.stop();
    this.#onClosed();
  }

  async #look(): Promise<void> {
    const found = await this.#calls.range(oldestOf(this.#line));
    if (this.#call.closed) return;
    if (found instanceof Refusal) return this.#end();
    const header = headerOf(found);
    if (found.kvs.length > 0) return this.#follow(header, decodeKeyValue(found.kvs[0]));
    const { prefix: key, end: rangeEnd } = this.#line;
    const filters = [FILTER_NODELETE];
    this.#watchFor({ key, rangeEnd, filters, startRevision: header.revision + 1 }, (response) => {
      const [first] = response.events;
      const { kv } = decodeEvent(first);
      assert(kv !== null, "an event has a kv");
      // There may be more revisions than this one in the response.
      this.#follow({ ...headerOf(response), revision: kv.modRevision }, kv);
    });
  }

  /** Tells of a leader, and from then on of what it proclaims, until it is gone. */
  #follow(header: ResponseHeader, kv: KeyValue): void {
    this.#tell(header, kv);
    this.#watchFor({ key: kv.key, startRevision: header.revision + 1 }, (response) => {
      for (const event of response.events) if (!this.#followEvent(headerOf(response), decodeEvent(event))) return;
    });
  }

  /** False when the leader is gone, or the client. */
  #followEvent(header: ResponseHeader, { type, kv }: Event): boolean {
    if (type === EVENT_DELETE) {
      this.#stopWatch();
      this.begin();
      return false;
    }
    assert(kv !== null, "an event has a kv");
    this.#tell(header, kv);
    return !this.#call.closed;
  }

  /** Watches in place of what was watched before. */
  #watchFor(request: Partial<WatchCreateRequest>, onEvents: (response: WatchResponse) => void): void {
    this.#stopWatch();
    const call = this.#call;
    // What was told last may have been more than the client takes.
    if (call.closed) return;
    this.#watch = this.#calls.watch(
      { ...emptyWatchCreateRequest(), ...request },
      {
        get isWritable() {
          return call.writable;
        },
        onResponse(response) {
          if (response.events.length > 0) onEvents(response);
        },
        onEnd: () => this.#end(),
      },
    );
  }

  #stopWatch(): void {
    this.#watch?.stop();
    this.#watch = null;
  }

  #tell(header: ResponseHeader, kv: KeyValue): void {
    this.#call.send(leaderResponse.encode({ header, kv }));
  }

  #end(): void {
    this.#call.end({ code: OK, message: "" });
  }
}
