/** What a trim leaves for replicas that lie behind. */
import { expect, test } from "vitest";
import { firstKept } from "../../../journal/replica/kept-segments.ts";
import { emptySegment } from "../../../journal/replica/segment.ts";

/** Of ten frames each, from frame 11 on, and 1,000 bytes. */
const segments = [11, 21, 31, 41, 51].map((firstIndex, i) => {
  const header = { salt: 1, clusterId: "", number: i + 2, firstIndex, firstPosition: firstIndex, previousEpoch: 1 };
  return { ...emptySegment(header, `${firstIndex}`), end: 1_000 };
});

test.each<[string, number[], number, number]>([
  ["nothing is kept when nobody lacks anything", [], 10_000, 41],
  ["what one lacks is kept, from the segment on that has it", [25], 2_000, 21],
  ["one that needs more than the limit is passed", [25], 1_999, 41],
  ["one that lies further behind than another does not keep that from being kept", [12, 35], 1_500, 31],
  ["of two that can be kept for the one further behind counts", [12, 35], 3_000, 11],
  ["one that lacks what is gone already keeps nothing", [5], 10_000, 41],
  ["one that lacks nothing of what may go keeps nothing", [41, 60], 10_000, 41],
])("%s", (_, lacked, bytesMax, kept) => {
  expect(firstKept(segments, segments[3], lacked, bytesMax).firstIndex).toBe(kept);
});
