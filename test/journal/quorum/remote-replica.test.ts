/** A replica in another process as reigns see it, one after the other. */
import { beforeEach, expect, test } from "vitest";
import { Peer } from "../../../journal/quorum/peer.ts";
import { RemoteReplica } from "../../../journal/quorum/remote-replica.ts";
import type { Membership } from "../../../journal/quorum/replica-site.ts";
import type { DescribedAnswer, ReplicaAnswer, ReplicaRequest } from "../../../journal/replica/messages.ts";
import { systemTurns } from "../../../server/clock.ts";
import { ManualClock } from "../../sim/manual-clock.ts";

const MEMBERSHIP: Membership = {
  clusterId: "ab".repeat(16),
  salt: 5,
  members: [{ zone: "a", replicaId: 7 }],
  membersIndex: 0,
};

let sent: ReplicaRequest[];
let told: (string | null)[];
let replica: RemoteReplica;

beforeEach(() => {
  sent = [];
  told = [];
  replica = new RemoteReplica({
    zone: "a",
    place: "tcp://there:1",
    clock: new ManualClock(),
    turns: systemTurns,
    onChange: () => undefined,
    onTrouble: (_, trouble) => told.push(trouble?.message ?? null),
    openLink: () => ({ send: (request) => sent.push(request), close: () => undefined }),
  });
});

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** It says who it is when it is asked. */
async function describeAs(described: Partial<DescribedAnswer>): Promise<void> {
  const last = sent.at(-1);
  expect(["describe", "list"]).toContain(last?.kind);
  const { clusterId, salt, members, membersIndex } = MEMBERSHIP;
  const seq = last?.seq ?? 0;
  const whole = { clusterId, salt, members, membersIndex, replicaId: 7, lastIndex: 0, ...described };
  replica.onAnswer({ kind: "described", seq, ...whole });
  await turn();
}

function peerOf(): Peer {
  return new Peer(0, "a", false, (peer) => replica.connect(peer), undefined, replica.lastSeq);
}

test("a reign is sent nothing to who is not the one that is listed, and what was sent before is not answered to a later one", async () => {
  replica.settle(MEMBERSHIP);
  const first = peerOf();
  await turn();
  expect(first.isUp).toBe(false);
  replica.onUp(true, null);
  await describeAs({ replicaId: 8 });
  expect(first.isUp).toBe(false);
  first.ask(
    (seq) => ({ kind: "release", seq, epoch: 1 }),
    // It is lost with the link.
    (answer) => expect(answer).toBeNull(),
  );
  expect(sent.map(({ kind }) => kind)).toEqual(["describe"]);
  expect(told).toEqual(["tcp://there:1: not the replica that zone a was made with"]);

  replica.onUp(false, null);
  replica.onUp(true, null);
  await describeAs({});
  expect(first.isUp).toBe(true);
  let late: ReplicaAnswer | null = null;
  first.ask(
    (seq) => ({ kind: "release", seq, epoch: 1 }),
    (answer) => (late = answer),
  );
  const before = sent.at(-1);
  first.close();

  const second = peerOf();
  await turn();
  const answers: (ReplicaAnswer | null)[] = [];
  second.ask(
    (seq) => ({ kind: "release", seq, epoch: 1 }),
    (answer) => answers.push(answer),
  );
  replica.onAnswer({ kind: "done", seq: before?.seq ?? 0, firstPosition: 1 });
  expect([late, answers]).toEqual([null, []]);
  replica.onAnswer({ kind: "done", seq: sent.at(-1)?.seq ?? 0, firstPosition: 2 });
  expect(answers).toMatchObject([{ firstPosition: 2 }]);
});

test("one whose forming was cut short gets the list before it is up", async () => {
  replica.settle(MEMBERSHIP);
  const peer = peerOf();
  replica.onUp(true, null);
  await describeAs({ members: [] });
  expect(peer.isUp).toBe(false);
  expect(sent.at(-1)).toMatchObject({ kind: "list", members: MEMBERSHIP.members });
  await describeAs({});
  expect(peer.isUp).toBe(true);
});
