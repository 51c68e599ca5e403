/** The machine's disk, in other moods. */

import { closeSync, openSync, writeSync } from "node:fs";

import type { Disk, DiskFile } from "../../journal/replica/disk.ts";
import { nodeDisk } from "../../journal/replica/disk.ts";

/** Says of each write at once that it is durable: two million that are would take minutes. */
export function hastyDisk(): Disk {
  return changedDisk((file) => {
    const fd = openSync(file.path, "r+");
    const close = file.close.bind(file);
    file.write = (bytes, length, at, onWritten) => {
      const count = writeSync(fd, bytes, 0, length, at);
      queueMicrotask(() => onWritten(null, count));
    };
    file.close = () => {
      closeSync(fd);
      return close();
    };
  });
}

/** Takes no write into one directory, from when that is said on. What is there can be read. */
export function breakableDisk(): { readonly disk: Disk; readonly breakDirectory: (directory: string) => void } {
  let broken: string | null = null;
  const disk = changedDisk((file) => {
    const write = file.write.bind(file);
    file.write = (bytes, length, at, onWritten) => {
      if (broken === null || !file.path.startsWith(broken)) return write(bytes, length, at, onWritten);
      const error = Object.assign(new Error("EIO: i/o error, write"), { code: "EIO" });
      setImmediate(() => onWritten(error, 0));
    };
  });
  return { disk, breakDirectory: (directory) => void (broken = directory) };
}

/** @param change what is done to each file that is opened for writing */
function changedDisk(change: (file: DiskFile) => void): Disk {
  const changed = async (opening: Promise<DiskFile>): Promise<DiskFile> => {
    const file = await opening;
    change(file);
    return file;
  };
  return {
    makeDirectory: (path) => nodeDisk.makeDirectory(path),
    list: (path) => nodeDisk.list(path),
    create: (path) => changed(nodeDisk.create(path)),
    openForWriting: (path) => changed(nodeDisk.openForWriting(path)),
    openForReading: (path) => nodeDisk.openForReading(path),
    openLocked: (path) => nodeDisk.openLocked(path),
    isNameOf: (path, file) => nodeDisk.isNameOf(path, file),
    rename: (from, to) => nodeDisk.rename(from, to),
    remove: (path) => nodeDisk.remove(path),
    syncDirectory: (path) => nodeDisk.syncDirectory(path),
  };
}
