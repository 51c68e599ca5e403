/** Troubles of a simulated disk that begin and pass, and the arbitrary that draws them. */
import * as fc from "fast-check";
import type { DiskOperation, Fault } from "./simulated-disk.ts";

export interface DiskTrouble {
  /** It begins so many operations after the end of the one before, and lasts for so many. */
  readonly after: number;
  readonly lasts: number;
  readonly code: string;
  readonly kinds: readonly DiskOperation["kind"][];
  /** Writes are cut short instead. */
  readonly isShort: boolean;
}

const CODES = ["EMFILE", "ENFILE", "ENOMEM", "ENOSPC", "EDQUOT", "EAGAIN"];
const KINDS = ["create", "open", "read", "write", "resize", "rename", "remove", "sync", "list"] as const;

export const diskTroubles = fc.array(
  fc.record({
    after: fc.integer({ min: 0, max: 60 }),
    lasts: fc.integer({ min: 1, max: 25 }),
    code: fc.constantFrom(...CODES),
    kinds: fc.subarray([...KINDS], { minLength: 1 }),
    isShort: fc.boolean(),
  }),
  { minLength: 1, maxLength: 8 },
);

/** Makes one after the other, taking each that is over out of the queue; for `SimulatedDisk.inject`. */
export function makeTroubles(queue: DiskTrouble[]): (operation: DiskOperation) => Fault | null {
  let operations = 0;
  return ({ kind }) => {
    const [trouble] = queue;
    if (trouble === undefined || operations++ < trouble.after) return null;
    if (operations === trouble.after + trouble.lasts) {
      queue.shift();
      operations = 0;
    }
    if (!trouble.kinds.includes(kind)) return null;
    return kind === "write" && trouble.isShort ? { shortBy: 1 + trouble.lasts * 20 } : { code: trouble.code };
  };
}
