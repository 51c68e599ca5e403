/** Whom a reign asks for frames that it reads, and for how long. */
import { expect, test } from "vitest";
import { FEED_RETRY_MS } from "../../../journal/limits.ts";
import type { Feed } from "../../../journal/quorum/feed.ts";
import { FrameFetcher } from "../../../journal/quorum/frame-fetcher.ts";
import { Peer } from "../../../journal/quorum/peer.ts";
import type { ReplicaAnswer } from "../../../journal/replica/messages.ts";
import { ManualClock } from "../../sim/manual-clock.ts";

type Refusal = Extract<ReplicaAnswer, { kind: "refused" | "failed" }>;

/** Two replicas that have the frame and answer at once, and how often they were asked. */
function asked(answer: (seq: number) => Refusal): { readonly feeds: readonly Feed[]; readonly count: () => number } {
  let count = 0;
  const feeds = ["a", "b"].map((zone, number) => {
    const peer = new Peer(number, zone, false, (listener) => ({
      send: ({ seq }) => {
        count++;
        setImmediate(() => listener.onAnswer(answer(seq)));
      },
      close: () => undefined,
    }));
    peer.onUp(true, null);
    return { peer, matched: 10 } as Feed; // Nothing else of it is looked at.
  });
  return { feeds, count: () => count };
}

function fetcherOf(feeds: readonly Feed[], clock = new ManualClock(), isOver = () => true): FrameFetcher {
  return new FrameFetcher({ feeds, clock, epoch: 4, toldIndex: () => 10, inMemory: () => null, isOver });
}

test("a reader of a reign that was fenced is told so, and asks nobody again", async () => {
  const { feeds, count } = asked((seq) => ({ kind: "refused", seq, promised: 5, name: "s2" }));
  const fetcher = fetcherOf(feeds);
  expect(await fetcher.fetch(3, 10)).toBeNull();
  expect(count()).toBe(2);
});

test("replicas whose disks do not give a frame are asked for it again now and then", async () => {
  const { feeds, count } = asked((seq) => ({ kind: "failed", seq, reason: "corrupt" }));
  let isOver = false;
  const clock = new ManualClock();
  const fetched = fetcherOf(feeds, clock, () => isOver).fetch(3, 10);
  const later = async (): Promise<number> => {
    await clock.advance(FEED_RETRY_MS / 10);
    return count();
  };
  await expect.poll(later).toBe(4);
  expect(clock.nowMs()).toBeGreaterThanOrEqual(FEED_RETRY_MS);
  isOver = true;
  await expect.poll(later).toBe(6);
  expect(await fetched).toBeNull();
});

test("a replica that was replaced while others were asked is not asked for what the one before had", async () => {
  const { feeds, count } = asked((seq) => {
    feeds[1].matched = 0;
    return { kind: "failed", seq, reason: "corrupt" };
  });
  expect(await fetcherOf(feeds).fetch(3, 10)).toBeNull();
  expect(count()).toBe(1);
});
