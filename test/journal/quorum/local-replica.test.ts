/** What whoever connects to a replica of this process is told of it. */
import { expect, test } from "vitest";
import { LocalReplica } from "../../../journal/quorum/local-replica.ts";
import { Peer } from "../../../journal/quorum/peer.ts";
import { systemTime } from "../../../server/clock.ts";
import { ZoneDisks } from "../../sim/zone-disks.ts";
import { appendFrame } from "../replica/directory-logs.ts";

test("a replica that waits for its disk is known to do so by the next reign as well", async () => {
  const disk = ZoneDisks.of(["a"], 1);
  const replica = await LocalReplica.open({
    ...systemTime,
    disk,
    zone: "a",
    directory: "/a",
    segmentBytes: 16 * 1024,
    clusterId: null,
    newClusterId: "ab".repeat(16),
    newSalt: 1,
    newReplicaId: 1,
    mustExist: false,
    acceptLoss: null,
    reopens: true,
  });
  const connect = async (): Promise<Peer> => {
    const peer = new Peer(0, "a", true, (listener) => replica.connect(listener));
    await new Promise<void>((resolve) => systemTime.turns.later(resolve));
    expect(peer.isUp).toBe(true);
    return peer;
  };
  const first = await connect();
  expect(first.trouble).toBeNull();
  disk.at("a").inject = ({ kind }) => (kind === "create" || kind === "resize" ? { code: "ENOSPC" } : null);
  await appendFrame(replica.log, 1, null);
  // Until there is no room for the next one in its segment.
  let isDone = true;
  let appended = Promise.resolve();
  while (isDone) {
    isDone = false;
    appended = appendFrame(replica.log, 1, Buffer.alloc(4_000)).then(() => void (isDone = true));
    await expect.poll(() => isDone || first.trouble !== null, { timeout: 10_000 }).toBe(true);
  }
  expect(first.trouble?.message).toMatch(/ENOSPC/);
  first.close();
  const second = await connect();
  expect(second.trouble?.message).toMatch(/ENOSPC/);
  disk.at("a").inject = () => null;
  await appended;
  await expect.poll(() => second.trouble, { timeout: 10_000 }).toBeNull();
  second.close();
  await replica.close();
});
