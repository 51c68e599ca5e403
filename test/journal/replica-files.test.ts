/** Who may change what lies beside a replica's frames: the newest reign that the replica knows of, however it learned of it. */
import { afterEach, beforeEach, expect, test } from "vitest";
import type { FileStore } from "../../journal/quorum/file-store.ts";
import type { ReplicaAnswer, ReplicaRequest } from "../../journal/replica/messages.ts";
import { ReplicaService } from "../../journal/replica-service.ts";
import { systemClock } from "../../server/clock.ts";
import { ZoneDisks } from "../sim/zone-disks.ts";

const CLUSTER = "ab".repeat(16);
const disk = ZoneDisks.of(["a"], 1);
let service: ReplicaService;
let opened: string[] = [];

const STORE: FileStore = {
  list: () => Promise.resolve([]),
  mark: () => Promise.resolve(Buffer.alloc(0)),
  read: () => Promise.resolve(Buffer.alloc(0)),
  begin: () => Promise.reject(new Error("nothing is begun here")),
  remove: () => Promise.resolve(),
};

async function serve(): Promise<void> {
  opened = [];
  service = await ReplicaService.open({
    zone: "a",
    directory: "/a",
    host: "127.0.0.1",
    port: 0,
    tls: null,
    disk,
    openFiles: (clusterId) => {
      opened.push(clusterId);
      return STORE;
    },
    clock: systemClock,
    listener: {
      onConnected: () => undefined,
      onDisconnected: () => undefined,
      onRefused: () => undefined,
      onMade: () => undefined,
      onTrouble: () => undefined,
      onRot: () => undefined,
      onAppended: () => undefined,
    },
  });
}

beforeEach(serve);
afterEach(() => service.close());

const ask = (request: ReplicaRequest): Promise<ReplicaAnswer> =>
  new Promise((resolve) => service.handle(request, resolve));

const refusal = (epoch: number): string | null => service.refusalOf(epoch)?.message ?? null;

test("a reign below the one that is promised may change nothing, also after a restart, and nor may one that another was seen after", async () => {
  // While it is blank it keeps nothing for anybody.
  expect(service.files).toBeNull();
  const made = await ask({ kind: "make", seq: 1, clusterId: CLUSTER, salt: 7 });
  if (made.kind !== "described") throw new Error("it was not made");
  expect(opened).toEqual([CLUSTER]);
  expect(service.files).toBe(STORE);
  await ask({ kind: "list", seq: 2, members: [{ zone: "a", replicaId: made.replicaId }] });
  const committed = { index: 0, epoch: 0 };
  const promise = { kind: "promise", seq: 3, epoch: 5, writer: 9, name: "second at http://two", committed } as const;
  expect(refusal(4)).toBeNull();
  expect(await ask(promise)).toMatchObject({ kind: "promised", epoch: 5 });
  expect(refusal(4)).toBe("another writer, second at http://two, has taken over the journal (epoch 5)");
  expect(refusal(0)).not.toBeNull();
  expect(refusal(5)).toBeNull();
  await service.close();
  await serve();
  expect(opened).toEqual([CLUSTER]);
  expect(refusal(4)).toBe("another writer has taken over the journal (epoch 5)");
  expect(refusal(5)).toBeNull();
  // Others have promised this one; the replica has not heard of it before.
  expect(refusal(8)).toBeNull();
  expect(refusal(7)).toBe("another writer has taken over the journal (epoch 8)");
  expect(refusal(8)).toBeNull();
});
