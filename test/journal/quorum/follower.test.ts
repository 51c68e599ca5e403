/** Who follows goes as soon as it is told to. */
import { expect, test } from "vitest";
import { Follower } from "../../../journal/quorum/follower.ts";
import { Peer } from "../../../journal/quorum/peer.ts";
import type { StatusAnswer } from "../../../journal/replica/messages.ts";
import { ManualClock } from "../../sim/manual-clock.ts";

const STATUS: Omit<StatusAnswer, "seq"> = {
  kind: "status",
  replicaId: 7,
  promised: 1,
  isVoter: true,
  silentForMs: 0,
  leaseLeftMs: 0,
  isVacant: false,
  first: 1,
  last: { index: 5, epoch: 1 },
  committed: 5,
  name: "",
  isNew: false,
  membership: { known: { index: 0, members: [] }, next: null },
};

test.each([1, 9])("who follows from %i on does not wait for a replica that has gone", async (position) => {
  const asked = Promise.withResolvers<void>();
  const peer: Peer = new Peer(0, "a", false, (listener) => ({
    send({ kind, seq }) {
      if (kind === "status") listener.onAnswer({ ...STATUS, seq });
      // It is never heard again.
      if (kind === "fetch") asked.resolve();
    },
    close: () => undefined,
  }));
  peer.onUp(true, null);
  const clock = new ManualClock();
  const controller = new AbortController();
  const follower = new Follower({ peers: () => [peer], clock, beatMs: 100 });
  const reading = follower.follow(position, controller.signal)[Symbol.asyncIterator]().next();
  await asked.promise;
  controller.abort();
  expect(await reading).toMatchObject({ done: true });
});
