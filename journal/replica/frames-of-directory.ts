/** The frames of a directory in order, as far as they are intact, for people: nothing is checked against the mark, and nothing changed. */
import { join } from "node:path";
import type { FrameHeader } from "../frame.ts";
import { CURSOR_READ_BYTES } from "../limits.ts";
import type { Disk } from "./disk.ts";
import { readFully } from "./disk.ts";
import { FrameScanner } from "./frame-scanner.ts";
import { decodeSegmentHeader, isSegmentName, SEGMENT_HEADER_BYTES } from "./segment.ts";

/** Valid until the next one is asked for. */
export interface PlacedFrame {
  readonly header: FrameHeader;
  /** What holds it, and where in there it begins. */
  readonly bytes: Buffer;
  readonly start: number;
  /** The segment, and where in its file the frame begins. */
  readonly path: string;
  readonly offset: number;
}

/** @throws JournalError for a segment's header that is damaged or of another version */
export async function* framesOf(disk: Disk, directory: string): AsyncGenerator<PlacedFrame, void, undefined> {
  for (const name of (await disk.list(directory)).filter(isSegmentName).toSorted()) {
    const path = join(directory, name);
    const file = await disk.openForReading(path);
    try {
      const block = Buffer.alloc(SEGMENT_HEADER_BYTES);
      const count = await readFully(file, block, SEGMENT_HEADER_BYTES, 0);
      const segment = decodeSegmentHeader(block.subarray(0, count), path);
      const { bytes: size } = await file.size();
      const scanner = new FrameScanner(file, segment, Math.max(size, SEGMENT_HEADER_BYTES), CURSOR_READ_BYTES);
      while (await scanner.fill()) {
        while (scanner.next()) {
          const { frame: header, bytes, frameStart: start } = scanner;
          yield { header, bytes, start, path, offset: scanner.offset - header.length };
        }
      }
    } finally {
      await file.close();
    }
  }
}
