/** What a feed measures of a replica elsewhere. */
import { expect, test } from "vitest";
import { ROUND_TRIP_EVERY_MS } from "../../../journal/limits.ts";
import type { FeedHost } from "../../../journal/quorum/feed.ts";
import { Feed } from "../../../journal/quorum/feed.ts";
import { FrameArena } from "../../../journal/quorum/frame-arena.ts";
import { FrameWindow } from "../../../journal/quorum/frame-window.ts";
import { Peer } from "../../../journal/quorum/peer.ts";
import type { ReplicaRequest } from "../../../journal/replica/messages.ts";
import { ReplicaTally } from "../../../journal/journal-tally.ts";
import { ManualClock } from "../../sim/manual-clock.ts";

const BEAT_MS = 100;

/** A feed over a link that answers nothing by itself. */
class Fixture {
  readonly clock = new ManualClock();
  readonly window = new FrameWindow(0);
  readonly asked: ReplicaRequest[] = [];
  readonly appendedMs: number[] = [];
  readonly roundTripMs: number[] = [];
  readonly peer: Peer;
  readonly feed: Feed;
  readonly #arena = new FrameArena(4_096);
  #verified = 0;

  constructor() {
    const observer = {
      onAppended: (ms: number) => void this.appendedMs.push(ms),
      onRoundTrip: (ms: number) => void this.roundTripMs.push(ms),
    };
    const tally = new ReplicaTally("a", "tcp://a:1", () => 0, observer);
    const link = { send: (request: ReplicaRequest) => void this.asked.push(request), close: () => undefined };
    this.peer = new Peer(0, "a", false, () => link, tally);
    this.feed = new Feed(this.peer, this.#host(), 1, null);
    this.peer.listener = { onUp: () => this.feed.up() };
  }

  #host(): FeedHost {
    return {
      epoch: 1,
      clock: this.clock,
      window: this.window,
      wallMs: () => 0,
      toldCommitted: () => this.#verified,
      toldEpoch: () => 1,
      leaseMs: () => 100,
      round: () => 0,
      isAsking: () => false,
      isLearner: () => false,
      onDurable: () => undefined,
      onForgot: () => undefined,
      onContact: () => undefined,
      onFenced: () => undefined,
      fetchFor: () => Promise.resolve({ frames: [], beginning: null }),
      prepareZone: () => Promise.resolve(),
      list: () => ({ index: 0, members: [] }),
      onBegun: () => undefined,
    };
  }

  seal(): void {
    const frame = this.#arena.open(1);
    frame.add(Buffer.from("x"));
    frame.index = this.window.last + 1;
    frame.previousPosition = frame.index - 1;
    frame.lastPosition = frame.index;
    this.#arena.close(frame);
    this.window.add(frame);
    this.feed.pump();
  }

  /** Answers the oldest request that has none yet. */
  answer(): void {
    const request = this.asked.shift();
    if (request?.kind !== "append") throw new Error("a feed appends");
    if (request.frame !== null) this.#verified++;
    this.peer.onAnswer({ kind: "durable", seq: request.seq, index: this.#verified, isGranted: true, replicaId: 1 });
  }
}

test("a frame is timed from when the one before it was durable, and the way by what needs no disk", () => {
  const fixture = new Fixture();
  const { clock, appendedMs, roundTripMs } = fixture;
  const answerAfter = (milliseconds: number): void => {
    clock.stall(milliseconds);
    fixture.answer();
  };
  fixture.peer.onUp(true, null);
  answerAfter(7);
  for (let i = 0; i < 3; i++) fixture.seal();
  answerAfter(5);
  // The two others are under way together.
  expect(fixture.asked).toHaveLength(2);
  answerAfter(4);
  answerAfter(3);
  expect({ appendedMs, roundTripMs }).toEqual({ appendedMs: [5, 4, 3], roundTripMs: [7] });
  expect(fixture.feed.status(3)).toMatchObject({ state: "up", position: 3, lagRecords: 0, lagMs: 0 });
});

test("a replica elsewhere that is busy with frames is asked now and then, all the same, how long the way is", () => {
  const fixture = new Fixture();
  const { clock, roundTripMs, appendedMs } = fixture;
  fixture.peer.onUp(true, null);
  fixture.answer();
  const beats = (3 * ROUND_TRIP_EVERY_MS) / BEAT_MS;
  for (let i = 0; i < beats; i++) {
    fixture.seal();
    clock.stall(BEAT_MS);
    fixture.feed.beat(clock.nowMs() - 1.5 * BEAT_MS);
    while (fixture.asked.length > 0) fixture.answer();
  }
  expect(appendedMs).toHaveLength(beats);
  expect(roundTripMs.length).toBeGreaterThanOrEqual(3);
  expect(roundTripMs.length).toBeLessThanOrEqual(4);
});
