/** One watch stream, all of whose messages stand in the history, in the logs of the watches they are for. */
import type { LeanStream } from "../../../bench/client/lean-client.ts";
import type { WatchRequest as WireRequest, WatchResponse } from "../../../proto/messages.ts";
import { EVENT_PUT, FILTER_NODELETE, FILTER_NOPUT } from "../../../proto/messages.ts";
import { writeWatchRequest } from "../../../proto/request-writers.ts";
import { decodeWatchResponse } from "../../../proto/response-readers.ts";
import { Writer } from "../../../proto/writer.ts";
import { eventsOf } from "../../support/etcd-client.ts";
import { watchCreateRequest } from "../../../bench/client/requests.ts";
import type { WatchEvent, WatchMessage, WatchRequest } from "../history/history.ts";
import type { RecordedClient } from "./recorded-client.ts";
import type { OpenWatchLog } from "./recorder.ts";

const PROGRESS_OF_ALL = -1;

export class RecordedWatch {
  readonly log: OpenWatchLog;
  id: number | null = null;
  state: "creating" | "live" | "compacted" | "ended" = "creating";
  /** When its cancel was sent. */
  canceledAt: number | null = null;
  /** Everything up to here was told. */
  told = 0;

  constructor(log: OpenWatchLog) {
    this.log = log;
  }
}

export class RecordedWatches {
  readonly #client: RecordedClient;
  readonly #stream: LeanStream;
  /** Replies to creates come in the order of the requests. */
  readonly #creating: RecordedWatch[] = [];
  readonly #byId = new Map<number, RecordedWatch>();
  /** When progress was asked for; those before `#settled` were answered or dropped. */
  readonly #asked: number[] = [];
  #settled = 0;
  #ended = false;
  #fault: unknown = null;
  #onMessage: (() => void) | null = null;

  constructor(client: RecordedClient) {
    this.#client = client;
    this.#stream = client.etcd.lean.stream("/etcdserverpb.Watch/Watch", {
      onMessage: (bytes) => {
        try {
          this.#receive(decodeWatchResponse(Buffer.from(bytes)));
        } catch (error) {
          this.#fault ??= error;
        }
        this.#onMessage?.();
      },
      onEnd: () => {
        this.#ended = true;
        this.#onMessage?.();
      },
    });
  }

  /**
   * Whether the stream has ended.
   *
   * @throws what was wrong with a message, if one made no sense
   */
  get ended(): boolean {
    if (this.#fault !== null) throw this.#fault;
    return this.#ended;
  }

  get watches(): readonly RecordedWatch[] {
    return [...this.#creating, ...this.#byId.values()];
  }

  create(request: WatchRequest): RecordedWatch {
    const { name, run, recorder } = this.#client;
    const watch = new RecordedWatch(recorder.openWatch(name, run, request));
    this.#creating.push(watch);
    this.#send({ case: "create", request: wireCreate(request) });
    return watch;
  }

  cancel(watch: RecordedWatch): void {
    if (watch.id === null || watch.canceledAt !== null) return;
    watch.canceledAt = this.#client.recorder.tick();
    this.#send({ case: "cancel", watchId: watch.id });
  }

  requestProgress(): void {
    this.#asked.push(this.#client.recorder.tick());
    this.#send({ case: "progress" });
  }

  /** Gives the server no credit for a while, so that its messages wait there. */
  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  /** Resolves at the next message, at the end, or after that time. */
  async message(millisecondsMax: number): Promise<void> {
    if (this.ended) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, millisecondsMax);
      this.#onMessage = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#onMessage = null;
  }

  close(): void {
    this.#stream.cancel();
  }

  #send(request: WireRequest): void {
    const writer = new Writer();
    writeWatchRequest(writer, request);
    this.#stream.send(writer.copy());
  }

  #receive(response: WatchResponse): void {
    const { watchId, created, canceled, compactRevision } = response;
    if (created) return this.#receiveCreated(response);
    if (watchId === PROGRESS_OF_ALL) {
      const askedAt = this.#asked[this.#settled++];
      if (askedAt === undefined) throw new Error("nobody asked for progress");
      for (const watch of this.#byId.values())
        if (watch.state === "live") this.#add(watch, response, "progress", askedAt);
      return;
    }
    const watch = this.#byId.get(watchId);
    if (watch === undefined) throw new Error(`a message for a watch that is not there: ${watchId}`);
    if (canceled && compactRevision > 0) {
      watch.state = "compacted";
      this.#add(watch, response, "compacted", null);
    } else if (canceled) {
      watch.state = "ended";
      this.#byId.delete(watchId);
      this.#settleBefore(watch.canceledAt ?? 0);
      this.#add(watch, response, "canceled", watch.canceledAt);
    } else if (response.events.length > 0) {
      this.#add(watch, response, "events", null);
    } else {
      this.#add(watch, response, "progress", null);
    }
  }

  #receiveCreated(response: WatchResponse): void {
    const watch = this.#creating.shift();
    if (watch === undefined) throw new Error("created without a request");
    this.#settleBefore(watch.log.invokedAt);
    watch.state = response.canceled ? "ended" : "live";
    watch.told = Math.max(0, watch.log.request.start - 1);
    if (!response.canceled) {
      watch.id = response.watchId;
      this.#byId.set(response.watchId, watch);
    }
    this.#add(watch, response, response.canceled ? "refused" : "created", watch.log.invokedAt);
  }

  /** Requests of one stream are handled in order: what was sent before an answered one was dropped. */
  #settleBefore(at: number): void {
    while (this.#settled < this.#asked.length && this.#asked[this.#settled] < at) this.#settled++;
  }

  #add(watch: RecordedWatch, response: WatchResponse, kind: WatchMessage["kind"], askedAt: number | null): void {
    const { header, fragment, compactRevision } = response;
    const revision = header?.revision ?? 0;
    const events = eventsOf(response).map((event): WatchEvent => {
      if (event.kv === null) throw new Error("every event has a kv");
      const { recorder } = this.#client;
      const prevKv = event.prevKv === null ? null : recorder.kv(event.prevKv);
      return { type: event.type === EVENT_PUT ? "put" : "delete", kv: recorder.kv(event.kv), prevKv };
    });
    this.#client.recorder.addMessage(watch.log, { kind, askedAt, revision, events, fragment, compactRevision });
    if (kind === "progress") watch.told = Math.max(watch.told, revision);
    const last = events.at(-1)?.kv.mod ?? 0;
    // Of the last revision there may be more.
    if (last > 0) watch.told = Math.max(watch.told, fragment ? last - 1 : last);
  }
}

function wireCreate(request: WatchRequest): ReturnType<typeof watchCreateRequest> {
  const { key, end, start, prevKv, progressNotify, fragment } = request;
  const filters = [];
  if (request.noPut) filters.push(FILTER_NOPUT);
  if (request.noDelete) filters.push(FILTER_NODELETE);
  const rangeEnd = Buffer.from(end, "latin1");
  return watchCreateRequest(key, { rangeEnd, startRevision: start, prevKv, progressNotify, fragment, filters });
}
