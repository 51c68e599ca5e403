import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Disk, DiskFile } from "../../journal/replica/disk.ts";
import { nodeDisk } from "../../journal/replica/disk.ts";
import { openDirectoryJournal } from "../../journal/directory-journal.ts";
import { MemoryJournal, MemoryStore } from "../sim/memory-journal.ts";
import { verifyDirectory } from "../../journal/replica/verify-directory.ts";
import type { JournalHarness } from "./journal-contract.ts";
import { journalContract } from "./journal-contract.ts";
import { seededRandom, SimulatedDisk } from "../sim/simulated-disk.ts";
import { systemTime } from "../../server/clock.ts";

const segmentBytes = 16 * 1024;

async function memoryHarness(): Promise<JournalHarness> {
  const store = new MemoryStore();
  let journal: MemoryJournal;
  return {
    async open(listener) {
      journal = new MemoryJournal(listener, store);
      return journal;
    },
    failNextWrite: () => journal.failNext(new Error("told to fail"), 1),
    dispose: () => Promise.resolve(),
  };
}

async function simulatedHarness(): Promise<JournalHarness> {
  const disk = new SimulatedDisk(seededRandom(1));
  return {
    open: (listener) => openDirectoryJournal({ ...systemTime, directory: "/journal", listener, segmentBytes, disk }),
    failNextWrite() {
      disk.inject = ({ kind, name }) => {
        if (kind !== "write" || !name.endsWith(".seg")) return null;
        disk.inject = () => null;
        return { code: "EIO" };
      };
    },
    dispose: async () => void (await verifyDirectory(disk, "/journal")),
  };
}

/** The real file system, of which one write to a segment can be refused. */
async function directoryHarness(): Promise<JournalHarness> {
  const directory = await mkdtemp(join(tmpdir(), "journal-"));
  let failNext = false;
  function guarded(file: DiskFile): DiskFile {
    const write = file.write.bind(file);
    file.write = (bytes, length, position, onWritten) => {
      if (!failNext || !file.path.endsWith(".seg")) return write(bytes, length, position, onWritten);
      failNext = false;
      setImmediate(() => onWritten(new Error("EIO: told to fail"), 0));
    };
    return file;
  }
  const disk: Disk = {
    makeDirectory: (path) => nodeDisk.makeDirectory(path),
    list: (path) => nodeDisk.list(path),
    create: async (path) => guarded(await nodeDisk.create(path)),
    openForWriting: async (path) => guarded(await nodeDisk.openForWriting(path)),
    openForReading: (path) => nodeDisk.openForReading(path),
    openLocked: (path) => nodeDisk.openLocked(path),
    isNameOf: (path, file) => nodeDisk.isNameOf(path, file),
    rename: (from, to) => nodeDisk.rename(from, to),
    remove: (path) => nodeDisk.remove(path),
    syncDirectory: (path) => nodeDisk.syncDirectory(path),
  };
  return {
    open: (listener) => openDirectoryJournal({ ...systemTime, directory, listener, segmentBytes, disk }),
    failNextWrite: () => (failNext = true),
    async dispose() {
      await verifyDirectory(nodeDisk, directory);
      await rm(directory, { recursive: true });
    },
  };
}

journalContract("a memory journal", memoryHarness);
journalContract("a directory journal on a simulated disk", simulatedHarness);
journalContract("a directory journal", directoryHarness);
