/** The watchers that are behind and can go on: those whose keys are in the same partitions read together, and take turns with the others. */
import assert from "node:assert/strict";
import type { KeyspaceState } from "../state/keyspace-state.ts";
import type { Partition } from "../state/partition.ts";
import { SharedRead } from "./shared-read.ts";
import type { ReadHost } from "./shared-read.ts";
import type { Watcher, WatcherGroup } from "./watcher.ts";
import type { WatcherGroups } from "./watcher-groups.ts";

export class CatchUp {
  readonly #state: KeyspaceState;
  readonly #index: WatcherGroups;
  readonly #host: ReadHost;
  readonly #piecesMax: number;
  /** By the name of the partitions that are read; the one whose turn is next in front. */
  readonly #reads = new Map<Partition | string, SharedRead>();
  /** How many partitions there were when the reads were made. */
  #partitionCount = 0;
  #size = 0;

  constructor(state: KeyspaceState, index: WatcherGroups, host: ReadHost, piecesMax: number) {
    this.#state = state;
    this.#index = index;
    this.#host = host;
    this.#piecesMax = piecesMax;
  }

  /** How many watchers there are. */
  get size(): number {
    return this.#size;
  }

  /** Takes a watcher, unless it has it. */
  add(watcher: Watcher): void {
    const { group } = watcher;
    if (group.behind.has(watcher)) return;
    group.behind.add(watcher);
    watcher.isReading = false;
    this.#size++;
    group.read ??= this.#readOf(group.interval);
    group.read.groups.add(group);
  }

  /** Lets go of a watcher, if it has it. */
  remove(watcher: Watcher): void {
    const { group } = watcher;
    if (!group.behind.delete(watcher)) return;
    watcher.isReading = false;
    this.#size--;
    if (group.behind.size > 0) return;
    group.read?.leave(group);
    group.read = null;
  }

  /**
   * Reads on, in each read in turn a slice.
   *
   * @param maxChanges how many changes to look at before returning: a revision with more takes several calls
   * @returns true when nobody is left
   */
  step(maxChanges: number): boolean {
    if (this.#state.partitionMap.partitions.length !== this.#partitionCount) this.#regroup();
    let left = maxChanges;
    for (const [name, read] of this.#reads) {
      if (this.#size === 0) return true;
      if (left <= 0) return false;
      // It goes to the end, where this loop comes to it again.
      this.#reads.delete(name);
      if (read.groups.size === 0) continue;
      this.#reads.set(name, read);
      left -= read.slice(left);
    }
    return true;
  }

  verify(): void {
    let size = 0;
    for (const [, read] of this.#reads) {
      for (const group of read.groups) {
        assert(group.read === read && group.behind.size > 0, "a group with watchers behind is in its read");
        assert(group.batch === null || read.isMidway, "nothing is kept between slices but what is read of a revision");
        size += group.behind.size;
      }
    }
    assert(size === this.#size, "every watcher behind is in a read");
  }

  #readOf(interval: Watcher["group"]["interval"]): SharedRead {
    const { name, partitions } = this.#state.partitionMap.touched(interval);
    let read = this.#reads.get(name);
    if (read === undefined) {
      read = new SharedRead(this.#state, partitions, this.#index, this.#host, this.#piecesMax);
      this.#reads.set(name, read);
    }
    return read;
  }

  /** A new partition has keys that the rest would have had: who watches them must read there, too. */
  #regroup(): void {
    const groups: WatcherGroup[] = [];
    for (const read of this.#reads.values()) {
      read.giveUp();
      groups.push(...read.groups);
    }
    this.#reads.clear();
    this.#partitionCount = this.#state.partitionMap.partitions.length;
    for (const group of groups) {
      group.read = this.#readOf(group.interval);
      group.read.groups.add(group);
    }
  }
}
