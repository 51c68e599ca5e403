/** What becomes of requests to a replica that does not answer. */
import { expect, test } from "vitest";
import { ASKED_MAX } from "../../../journal/limits.ts";
import { Peer } from "../../../journal/quorum/peer.ts";
import type { ReplicaRequest } from "../../../journal/replica/messages.ts";

const append = (seq: number, frame: Buffer | null): ReplicaRequest => ({
  kind: "append",
  seq,
  epoch: 1,
  attempt: 1,
  committed: 0,
  committedEpoch: 0,
  leaseMs: 0,
  frame,
});

test("a frame is not given up while its replica may still read it, whatever else is asked", () => {
  const peer = new Peer(0, "a", true, () => ({ send: () => undefined, close: () => undefined }));
  peer.onUp(true, null);
  const told: string[] = [];
  const frame = Buffer.alloc(8);
  peer.ask(
    (seq) => append(seq, frame),
    () => told.push("frame"),
  );
  for (let i = 0; i < 2 * ASKED_MAX; i++) {
    peer.ask(
      (seq) => append(seq, null),
      () => told.push("beat"),
    );
  }
  expect(told).toHaveLength(ASKED_MAX + 1);
  expect(told).not.toContain("frame");
  peer.onUp(false, null);
  expect(told).toContain("frame");
});
