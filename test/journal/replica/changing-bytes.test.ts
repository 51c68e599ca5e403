import { expect, test } from "vitest";
import { SimulatedDisk } from "../../sim/simulated-disk.ts";
import { seededRandom } from "../../sim/simulated-disk.ts";
import { appendFrame, openLog } from "./directory-logs.ts";

test("a last frame that is read once and not again is an error of the disk, and another attempt finds what is there", async () => {
  const disk = new SimulatedDisk(seededRandom(1));
  const log = await openLog(disk);
  await appendFrame(log, 1, null);
  const { end: lastFrameStart } = log.segments[0];
  await appendFrame(log, 1, Buffer.from("last"));
  await log.close();

  let reads = 0;
  const open = disk.openForWriting.bind(disk);
  disk.openForWriting = async (path) => {
    const file = await open(path);
    const read = file.read.bind(file);
    file.read = async (bytes, offset, length, at) => {
      const count = await read(bytes, offset, length, at);
      // What a failed write left in memory has been forgotten.
      if (at === lastFrameStart && ++reads === 1) bytes.fill(0, offset, offset + count);
      return count;
    };
    return file;
  };
  await expect(openLog(disk)).rejects.toMatchObject({ code: "ERR_JOURNAL_IO", errno: "EIO" });
  expect(reads).toBe(1);

  const again = await openLog(disk);
  expect(again.lastIndex).toBe(2);
  await again.close();
});
