/** Who waits until nobody writes, and what it makes of replicas that answer one after the other. */
import { expect, test } from "vitest";
import { Peer } from "../../../journal/quorum/peer.ts";
import { Standby } from "../../../journal/quorum/standby.ts";
import type { StatusAnswer } from "../../../journal/replica/messages.ts";
import { ManualClock } from "../../sim/manual-clock.ts";

const MEMBERS = ["a", "b", "c"].map((zone, i) => ({ zone, replicaId: 11 + i }));

function statusOf(seq: number, replicaId: number, isListed: boolean): StatusAnswer {
  return {
    kind: "status",
    seq,
    replicaId,
    promised: 1,
    isVoter: isListed,
    silentForMs: 60_000,
    leaseLeftMs: 0,
    isVacant: false,
    first: 1,
    last: { index: 5, epoch: 1 },
    committed: 5,
    name: "",
    isNew: !isListed,
    membership: { known: { index: 0, members: isListed ? MEMBERS : [] }, next: null },
  };
}

test("a replica that was made anew and answers first does not keep it from taking over", async () => {
  const clock = new ManualClock();
  // The first is in this process and blank; the others answer a moment later.
  const peers = MEMBERS.map(({ zone, replicaId }, i) => {
    const isNear = i === 0;
    const peer: Peer = new Peer(i, zone, isNear, () => ({
      send: ({ seq }) => {
        const answer = statusOf(seq, isNear ? 99 : replicaId, !isNear);
        clock.after(isNear ? 0 : 5, () => peer.onAnswer(answer));
      },
      close: () => undefined,
    }));
    peer.onUp(true, null);
    return peer;
  });
  const standby = new Standby({ peers, clock, random: () => 0.5, beatMs: 100, electionMs: 700 });
  let isVacant: boolean | null = null;
  void standby.untilVacant().then((is) => (isVacant = is));
  await clock.advance(2_000);
  standby.close();
  expect(isVacant).toBe(true);
});
