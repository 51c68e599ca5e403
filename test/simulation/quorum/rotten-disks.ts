/**
 * Bits that turn over on the disks of replicas, and sectors that cannot be read any more: of frames that are committed, of
 * segments' headers, and behind a segment's frames. As much as a journal must survive: what rots in one place is intact in
 * another that can give it.
 */
import { basename } from "node:path";
import { FrameHeader, readFrame } from "../../../journal/frame.ts";
import type { DirectoryLog } from "../../../journal/replica/directory-log.ts";
import { isSegmentName, SEGMENT_HEADER_BYTES } from "../../../journal/replica/segment.ts";
import type { SimulatedDisk } from "../../sim/simulated-disk.ts";
import type { Machine } from "../../sim/world/machine.ts";
import type { World } from "../../sim/world/world.ts";
import type { LostDisks } from "./lost-disks.ts";
import { SALT } from "./quorum-replica.ts";

/** Frames in a row, at most. */
const RUN_MAX = 3;
/** What rots: else it is a frame. */
const HEADER_SHARE = 0.15;
const BEHIND_SHARE = 0.1;
const UNREADABLE_SHARE = 0.3;
/** So long it is waited for a moment in which all that a replica has is known to be committed. */
const QUIET_MS = 200;

interface Place {
  readonly path: string;
  readonly offset: number;
  readonly end: number;
  /** Of the frame. */
  readonly index: number;
  readonly committed: number;
}

export class RottenDisks {
  readonly #world: World;
  readonly #replicas: readonly Machine[];
  readonly #disks: LostDisks;
  /** The last frame that rots in a zone, while something does. */
  readonly #upTo = new Map<string, number>();

  constructor(world: World, replicas: readonly Machine[], disks: LostDisks) {
    this.#world = world;
    this.#replicas = replicas;
    this.#disks = disks;
  }

  /** @returns false when nothing may */
  rot(replica: Machine): boolean {
    const { disk } = replica.drives[0];
    const frames = framesOn(disk);
    const sure = sureOf(frames);
    const old = frames.filter(({ index }) => index < sure);
    if (old.length === 0) return false;
    const world = this.#world;
    const first = world.integer(0, old.length - 1);
    const run = old.slice(first, first + world.integer(1, RUN_MAX));
    const last = run[run.length - 1];
    if (!this.#mayRot(replica, last.index)) return false;
    this.#upTo.set(replica.name, Math.max(last.index, this.#upTo.get(replica.name) ?? 0));
    const [{ path }] = run;
    const isFirst = path === frames[0].path;
    const isDamaged = disk.damaged.includes(path);
    world.note(`${replica.name}: frames ${run[0].index} to ${last.index} rot, or what is about them`);
    // The header of the first segment is made again of its first frame.
    if (world.chance(HEADER_SHARE) && !(isFirst && isDamaged)) {
      disk.rotAt(path, world.integer(0, SEGMENT_HEADER_BYTES - 1), this.#bit());
      return true;
    }
    const next = frames.find((frame) => frame.path > path);
    if (world.chance(BEHIND_SHARE) && next !== undefined && next.index < sure) {
      const end = frames.findLast((frame) => frame.path === path)?.end ?? 0;
      const { length } = disk.asWritten(path);
      if (end < length) disk.rotAt(path, world.integer(end, length - 1), this.#bit());
      return true;
    }
    if (isFirst && isDamaged) return false;
    for (const { path: where, offset, end } of run) {
      const at = world.integer(offset, end - 1);
      // A block takes its neighbours along. Of the last segment nobody knows what was there, and it is refused.
      const behind = frames.find((frame) => frame.path > where)?.index ?? Infinity;
      if (behind <= sure && world.chance(UNREADABLE_SHARE)) disk.failToRead(where, at, at + 1);
      else disk.rotAt(where, at, this.#bit());
    }
    return true;
  }

  /**
   * The last frames of a replica rot, and its power goes: what lacks then is known by the mark alone. Not while it has some that
   * are not known to be committed: others may have another reign's in the place of these, which do not fit before what is left.
   */
  async rotEnd(replica: Machine, log: DirectoryLog): Promise<boolean> {
    const world = this.#world;
    const { node, name, drives } = replica;
    const isGone = (): boolean => node?.isAlive !== true;
    const isKnown = (): boolean => log.committed === log.lastIndex;
    const untilMs = world.nowMs + QUIET_MS;
    while (!isGone() && world.nowMs < untilMs) {
      await world.until(() => isGone() || isKnown() || world.nowMs > untilMs);
      const { lastIndex } = log;
      let isMarked: boolean | null = null;
      log.mark().then(
        () => (isMarked = true),
        () => (isMarked = false),
      );
      await world.until(() => isMarked !== null || isGone());
      if (isMarked !== true || isGone()) return false;
      if (!this.#disks.hasCounted(name) || !this.#disks.mayLose(replica)) return false;
      if (log.lastIndex !== lastIndex || !isKnown() || log.isWriting) continue;
      const frames = framesOn(drives[0].disk);
      // While a cut is under way there are more.
      if (frames.at(-1)?.index !== lastIndex) continue;
      replica.stop("power");
      const from = Math.max(1, lastIndex - world.integer(0, RUN_MAX - 1));
      world.note(`${name}: its frames from ${from} on rot`);
      for (const { path, offset, end, index } of frames) {
        if (index >= from) drives[0].disk.rotAt(path, world.integer(offset, end - 1), this.#bit());
      }
      return true;
    }
    return false;
  }

  #bit(): number {
    return 1 << this.#world.integer(0, 7);
  }

  #mayRot(replica: Machine, index: number): boolean {
    // Who is not listed yet has nobody to ask.
    if (!this.#disks.hasCounted(replica.name)) return false;
    if (this.#disks.mayLose(replica)) return true;
    // More of them, as long as one has all of it, and knows that it is committed whatever becomes of it.
    if (!this.#disks.haveCounted) return false;
    let last = index;
    const intact: Machine[] = [];
    for (const each of this.#replicas) {
      const isDamaged = each.drives[0].disk.damaged.length > 0;
      if (isDamaged) last = Math.max(last, this.#upTo.get(each.name) ?? 0);
      else this.#upTo.delete(each.name);
      if (!isDamaged && each !== replica) intact.push(each);
    }
    return intact.some(({ drives: [{ disk }] }) => sureOf(framesOn(disk)) >= last);
  }
}

/** All that are durable on a disk, as they were written. */
function framesOn(disk: SimulatedDisk): Place[] {
  const places: Place[] = [];
  const header = new FrameHeader();
  for (const path of disk.paths) {
    if (!isSegmentName(basename(path))) continue;
    const bytes = disk.asWritten(path);
    let offset = SEGMENT_HEADER_BYTES;
    while (readFrame(bytes, offset, bytes.length, SALT, header)) {
      const { index, length, committed } = header;
      if (index !== (places.at(-1)?.index ?? index - 1) + 1) return places;
      places.push({ path, offset, end: offset + length, index, committed });
      offset += length;
    }
  }
  return places;
}

/** What a log knows to be committed by frames that are committed themselves, and so knows for ever. */
function sureOf(frames: readonly Place[]): number {
  const committed = Math.max(0, ...frames.map((frame) => frame.committed));
  return Math.max(0, ...frames.filter(({ index }) => index <= committed).map((frame) => frame.committed));
}
