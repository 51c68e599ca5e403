/** Disks of replicas that fill, fail, and cannot be written, while the server goes on. */
import { delay } from "../../support/delay.ts";
import { FragileDisk, MemoryDisk, whyNoDisk, whyNoFragileDisk } from "../disks.ts";
import type { Fault } from "../fault.ts";
import { readsGoOn, writesStop } from "../without-majority.ts";
import { makeZoneFolder, startOnDirectories, startOnProcesses } from "../stores.ts";

const DISK_BYTES = 64 * 1024 * 1024;
const LASTS_MS = 1_500;

const oneFull: Fault = {
  name: "the disk of one replica is full, and has room again",
  losesCalls: false,
  isShort: true,
  whyNot: whyNoDisk,
  async prepare(folder) {
    const disk = new MemoryDisk(makeZoneFolder(folder, "b"), DISK_BYTES);
    const store = await startOnDirectories(folder);
    return {
      store,
      async strike() {
        await store.replicaFails("b", () => disk.fill());
        await delay(LASTS_MS);
        await store.replicaAnswers("b", () => disk.empty());
      },
      remove: () => disk.remove(),
    };
  },
};

const twoFull: Fault = {
  name: "the disks of two replicas are full, and have room again",
  losesCalls: true,
  isShort: false,
  whyNot: whyNoDisk,
  async prepare(folder) {
    const [b, c] = ["b", "c"].map((zone) => new MemoryDisk(makeZoneFolder(folder, zone), DISK_BYTES));
    const store = await startOnDirectories(folder);
    return {
      store,
      async strike() {
        await store.replicaFails("b", () => b.fill());
        await store.replicaFails("c", () => c.fill());
        await writesStop(store);
        // Linearizable ones, too: both replicas wait for their disks and keep their locks, so nobody else can write.
        await readsGoOn(store);
        store.cured();
        await store.replicaAnswers("c", () => c.empty());
        await store.acknowledged();
        await store.replicaAnswers("b", () => b.empty());
      },
      remove() {
        b.remove();
        c.remove();
      },
    };
  },
};

/** Something happens to the disk of one replica, which is repaired some time later. */
function oneHarmed(name: string, isShort: boolean, harm: (disk: FragileDisk) => Promise<void> | void): Fault {
  return {
    name,
    losesCalls: false,
    isShort,
    whyNot: whyNoFragileDisk,
    async prepare(folder) {
      const disk = new FragileDisk(makeZoneFolder(folder, "b"));
      const store = await startOnDirectories(folder, { b: disk.path });
      return {
        store,
        async strike() {
          await store.replicaFails("b", () => harm(disk));
          await delay(LASTS_MS);
          await store.replicaAnswers("b", () => disk.repair());
        },
        remove: () => disk.remove(),
      };
    },
  };
}

const oneFails = oneHarmed("the disk of one replica fails with EIO, and is repaired", true, (disk) => disk.fail());
const oneReadOnly = oneHarmed("the disk of one replica becomes read-only, and is repaired", false, (disk) =>
  disk.becomeReadOnly(),
);

const killedWhileFull: Fault = {
  name: "the server is killed while the disk of one replica is full, and started again",
  losesCalls: true,
  isShort: false,
  whyNot: whyNoDisk,
  async prepare(folder) {
    const disk = new MemoryDisk(makeZoneFolder(folder, "a"), DISK_BYTES);
    const store = await startOnDirectories(folder);
    return {
      store,
      async strike() {
        const server = store.serving;
        await store.replicaFails("a", () => disk.fill());
        await delay(LASTS_MS);
        await store.end(server);
        await store.start(server);
        await store.acknowledged();
        disk.empty();
        await delay(LASTS_MS);
      },
      remove: () => disk.remove(),
    };
  },
};

const processFull: Fault = {
  name: "the disk of one replica's process is full, and has room again",
  losesCalls: false,
  isShort: false,
  whyNot: whyNoDisk,
  async prepare(folder) {
    const disk = new MemoryDisk(makeZoneFolder(folder, "b"), DISK_BYTES);
    const { store } = await startOnProcesses(folder, { servers: 1 });
    return {
      store,
      async strike() {
        await store.replicaFails("b", () => disk.fill());
        await delay(LASTS_MS);
        await store.replicaAnswers("b", () => disk.empty());
      },
      remove: () => disk.remove(),
    };
  },
};

const processFails: Fault = {
  name: "the disk of one replica's process fails with EIO, and is repaired before it is started again",
  losesCalls: false,
  isShort: false,
  whyNot: whyNoFragileDisk,
  async prepare(folder) {
    const disk = new FragileDisk(makeZoneFolder(folder, "b"));
    const { store } = await startOnProcesses(folder, { servers: 1, disks: { b: disk.path } });
    return {
      store,
      async strike() {
        await store.replicaFails("b", () => disk.fail());
        await delay(LASTS_MS);
        await store.endReplica("b");
        await disk.repair();
        await store.replicaAnswers("b", () => store.startReplica("b"));
      },
      remove: () => disk.remove(),
    };
  },
};

export const DISK_FAULTS: readonly Fault[] = [
  oneFull,
  twoFull,
  oneFails,
  oneReadOnly,
  killedWhileFull,
  processFull,
  processFails,
];
