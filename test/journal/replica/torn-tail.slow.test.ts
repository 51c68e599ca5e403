import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openDirectoryJournal } from "../../../journal/directory-journal.ts";
import { FrameHeader, FRAME_HEADER_BYTES, KIND_BARRIER, sealFrame } from "../../../journal/frame.ts";
import { nodeDisk } from "../../../journal/replica/disk.ts";
import { segmentName } from "../../../journal/replica/segment.ts";
import { verifyDirectory } from "../../../journal/replica/verify-directory.ts";
import { readTexts } from "../journal-contract.ts";
import { RecordingListener } from "../../sim/recording-listener.ts";
import { seededRandom } from "../../sim/simulated-disk.ts";
import { systemTime } from "../../../server/clock.ts";

const segmentBytes = 128 * 1024;
const headerBytes = 4096;
const sectorBytes = 512;

interface Frame {
  readonly start: number;
  readonly end: number;
  readonly lastPosition: number;
}

describe("the end of a journal whose writer was stopped at any moment", () => {
  let parent: string;
  let file: Buffer;
  /** The frames of `file`, found by their lengths alone. */
  const frames: Frame[] = [];
  let texts: string[];

  beforeAll(async () => {
    parent = await mkdtemp(join(tmpdir(), "journal-torn-"));
    const directory = join(parent, "original");
    const listener = new RecordingListener();
    const random = seededRandom(11);
    const journal = await openDirectoryJournal({ ...systemTime, directory, listener, segmentBytes });
    texts = [];
    for (let i = 0; i < 60; i++) {
      for (let j = random() * 8; j >= 0; j--) {
        const text = `${texts.length + 1}:`.padEnd(Math.floor(random() * 900), "\0abc");
        texts.push(text);
        journal.append(Buffer.from(text, "latin1"));
      }
      await listener.untilCommitted(texts.length);
    }
    // Before the close, which would add a frame: this is what a stopped writer leaves.
    await copyFile(join(directory, segmentName(1)), join(parent, "copy"));
    await journal.close();
    file = await readFile(join(parent, "copy"));
    for (let start = headerBytes; file.readUInt32LE(start) > 0; start += file.readUInt32LE(start)) {
      const lastPosition = file.readUInt32LE(start + 40);
      frames.push({ start, end: start + file.readUInt32LE(start), lastPosition });
    }
    expect(frames).toHaveLength(61);
    expect(frames.at(-1)?.lastPosition).toBe(texts.length);
  });

  afterAll(() => rm(parent, { recursive: true }));

  /**
   * Opens the damaged file. When frames are intact behind the first damaged one, it must be refused there; otherwise
   * the journal must end right before it, take new records there, and be clean at the next open.
   */
  async function check(damaged: Buffer): Promise<"refused" | "cut"> {
    const directory = await mkdtemp(join(parent, "damaged-"));
    const path = join(directory, segmentName(1));
    await writeFile(path, damaged);
    const isIntact = ({ start, end }: Frame): boolean => damaged.subarray(start, end).equals(file.subarray(start, end));
    const firstDamaged = frames.findIndex((frame) => !isIntact(frame));
    const intact = firstDamaged === -1 ? frames : frames.slice(0, firstDamaged);
    const mustRefuse = firstDamaged !== -1 && frames.slice(firstDamaged).some(isIntact);

    const listener = new RecordingListener();
    const verifying = verifyDirectory(nodeDisk, directory);
    if (mustRefuse) {
      const refusal = {
        code: "ERR_JOURNAL_CORRUPT",
        message: expect.stringContaining(`${path}: corrupt at offset ${frames[firstDamaged].start}: `),
      };
      await expect(verifying).rejects.toMatchObject(refusal);
      const opening = openDirectoryJournal({ ...systemTime, directory, listener, segmentBytes });
      await expect(opening).rejects.toMatchObject(refusal);
      expect((await readFile(path)).equals(damaged)).toBe(true);
      await rm(directory, { recursive: true });
      return "refused";
    }
    const last = intact.at(-1)?.lastPosition ?? 0;
    const rest = damaged.subarray(intact.at(-1)?.end ?? headerBytes);
    const tornBytes = rest.findLastIndex((byte) => byte !== 0) + 1;
    expect(await verifying).toMatchObject({ lastPosition: last, frames: intact.length, tornBytes });
    const journal = await openDirectoryJournal({ ...systemTime, directory, listener, segmentBytes });
    expect(journal.committed).toBe(last);
    expect(journal.append(Buffer.from("new"))).toBe(last + 1);
    await journal.close();
    const again = await openDirectoryJournal({ ...systemTime, directory, listener, segmentBytes });
    expect(await readTexts(again.read(1), 1)).toEqual([...texts.slice(0, last), "new"]);
    await again.close();
    expect(await verifyDirectory(nodeDisk, directory)).toMatchObject({ lastPosition: last + 1, tornBytes: 0 });
    await rm(directory, { recursive: true });
    return "cut";
  }

  const numRuns = 60;

  test("a cut anywhere ends the journal at the last intact frame", async () => {
    const { end } = frames[frames.length - 1];
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: headerBytes, max: end }), fc.boolean(), async (cut, shorten) => {
        const damaged = Buffer.from(file);
        expect(await check(shorten ? damaged.subarray(0, cut) : damaged.fill(0, cut))).toBe("cut");
      }),
      { numRuns },
    );
  });

  test("zeroed sectors of the last frame cut it, and zeroed sectors before it are refused with file and offset", async () => {
    const { end } = frames[frames.length - 1];
    const seen = new Set<string>();
    const sector = fc.integer({ min: headerBytes / sectorBytes, max: Math.floor((end - 1) / sectorBytes) });
    const lastSectors = fc.integer({ min: 0, max: 2 }).map((back) => Math.floor((end - 1) / sectorBytes) - back);
    await fc.assert(
      fc.asyncProperty(fc.oneof(sector, lastSectors), fc.integer({ min: 1, max: 5 }), async (first, count) => {
        const damaged = Buffer.from(file).fill(0, first * sectorBytes, (first + count) * sectorBytes);
        seen.add(await check(damaged));
      }),
      { numRuns },
    );
    expect(seen).toEqual(new Set(["cut", "refused"]));
  });

  test("a flipped bit in the last frame cuts it, and one before it is refused with file and offset", async () => {
    const last = frames[frames.length - 1];
    const seen = new Set<string>();
    const anywhere = fc.integer({ min: headerBytes, max: last.end - 1 });
    const inTheLast = fc.integer({ min: last.start, max: last.end - 1 });
    await fc.assert(
      fc.asyncProperty(fc.oneof(anywhere, inTheLast), fc.nat(7), async (offset, bit) => {
        const damaged = Buffer.from(file);
        damaged[offset] ^= 1 << bit;
        seen.add(await check(damaged));
      }),
      { numRuns },
    );
    expect(seen).toEqual(new Set(["cut", "refused"]));
  });

  test("other bytes behind the last frame are cut, also far behind it and copies of earlier frames", async () => {
    const { end } = frames[frames.length - 1];
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: end, max: segmentBytes - 2000 }),
        fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 1000 }), fc.integer({ min: 0, max: frames.length - 2 })),
        async (offset, garbage) => {
          const damaged = Buffer.from(file);
          const bytes =
            typeof garbage === "number" ? file.subarray(frames[garbage].start, frames[garbage].end) : garbage;
          damaged.set(bytes.subarray(0, segmentBytes - offset), offset);
          expect(await check(damaged)).toBe("cut");
        },
      ),
      { numRuns: 30 },
    );
  });

  test("an intact frame of another place right behind the last one is not taken for its successor", async () => {
    const { end } = frames[frames.length - 1];
    for (const { start, end: frameEnd } of frames.slice(0, -1)) {
      const damaged = Buffer.from(file);
      file.copy(damaged, end, start, frameEnd);
      expect(await check(damaged)).toBe("cut");
    }
  });

  test.each([
    ["skips frames", 1, 0, 0],
    ["skips records", 0, 1, 0],
    ["follows a frame of another epoch", 0, 0, 1],
  ])(
    "an intact frame behind the last one that %s is refused with file and offset",
    async (_, frame, skipped, epochs) => {
      const { end, lastPosition } = frames[frames.length - 1];
      const damaged = Buffer.from(file);
      const header = Object.assign(new FrameHeader(), {
        length: FRAME_HEADER_BYTES,
        kind: KIND_BARRIER,
        epoch: 9,
        index: frames.length + 1 + frame,
        previousPosition: lastPosition + skipped,
        previousEpoch: 1 + epochs,
        lastPosition: lastPosition + skipped,
        committed: frames.length,
      });
      sealFrame(damaged.subarray(end), header, file.readUInt32LE(12));
      const directory = await mkdtemp(join(parent, "ahead-"));
      await writeFile(join(directory, segmentName(1)), damaged);
      await expect(
        openDirectoryJournal({ ...systemTime, directory, listener: new RecordingListener(), segmentBytes }),
      ).rejects.toMatchObject({
        code: "ERR_JOURNAL_CORRUPT",
        message: expect.stringContaining(`${segmentName(1)}: corrupt at offset ${end}: `),
      });
    },
  );

  test("after a clean close a damaged last record is refused, as the mark tells that it was durable", async () => {
    const directory = join(parent, "closed");
    await mkdir(directory);
    const journal = await openDirectoryJournal({
      ...systemTime,
      directory,
      listener: new RecordingListener(),
      segmentBytes,
    });
    journal.append(Buffer.from("precious"));
    await journal.close();
    const path = join(directory, segmentName(1));
    const bytes = await readFile(path);
    bytes[bytes.indexOf("precious")] ^= 1;
    await writeFile(path, bytes);
    await expect(
      openDirectoryJournal({ ...systemTime, directory, listener: new RecordingListener() }),
    ).rejects.toMatchObject({
      code: "ERR_JOURNAL_CORRUPT",
      message: expect.stringContaining("the journal was durable up to record 1"),
    });
  });
});
