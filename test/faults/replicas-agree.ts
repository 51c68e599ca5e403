/** Whether replicas whose processes have ended hold what they should: nothing damaged, and of what is committed the same. */
import { nodeDisk } from "../../journal/replica/disk.ts";
import { framesOf } from "../../journal/replica/frames-of-directory.ts";
import { verifyDirectory } from "../../journal/replica/verify-directory.ts";
import type { Zone } from "./tested-store.ts";

/** Of a frame's header: its two checksums, which no two frames share. */
const CHECKSUMS_OFFSET = 64;

/** @throws what is wrong with one of them, or between them */
export async function checkReplicas(zones: readonly Zone[]): Promise<void> {
  let committed = 0;
  const seen = new Map<number, { readonly zone: string; readonly sums: bigint }>();
  for (const { directory } of zones) {
    const contents = await verifyDirectory(nodeDisk, directory);
    committed = Math.max(committed, contents.committed);
  }
  for (const { name: zone, directory } of zones) {
    for await (const { header, bytes, start } of framesOf(nodeDisk, directory)) {
      if (header.index > committed) break;
      const sums = bytes.readBigUInt64LE(start + CHECKSUMS_OFFSET);
      const other = seen.get(header.index);
      if (other === undefined) seen.set(header.index, { zone, sums });
      else if (other.sums !== sums) throw new Error(`zones ${other.zone} and ${zone} differ in frame ${header.index}`);
    }
  }
}
