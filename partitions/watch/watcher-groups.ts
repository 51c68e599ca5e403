/**
 * Finds the groups of watchers that a change concerns: by key in a Map, or by interval in a tree. The number of other
 * watchers does not matter.
 */
import assert from "node:assert/strict";
import { IntervalTree } from "../interval/interval-tree.ts";
import type { WatcherGroup } from "./watcher.ts";

export class WatcherGroups {
  readonly #byName = new Map<string, WatcherGroup>();
  readonly #byKey = new Map<string, WatcherGroup[]>();
  readonly #byInterval = new IntervalTree<WatcherGroup>();

  /** The group like the given one: that which exists, or the given one itself, from now on in the index. */
  findOrAdd(group: WatcherGroup): WatcherGroup {
    const existing = this.#byName.get(group.name);
    if (existing !== undefined) return existing;
    this.#byName.set(group.name, group);
    if (group.isSingleKey) {
      const { start } = group.interval;
      this.#byKey.set(start, [...(this.#byKey.get(start) ?? []), group]);
    } else {
      this.#byInterval.add(group.interval, group);
    }
    return group;
  }

  /** Takes a group without watchers out of the index. */
  remove(group: WatcherGroup): void {
    assert(group.size === 0 && group.synced.size === 0, "a group goes after its watchers");
    this.#byName.delete(group.name);
    if (!group.isSingleKey) {
      this.#byInterval.remove(group.interval, group);
      return;
    }
    const { start } = group.interval;
    const others = (this.#byKey.get(start) ?? []).filter((other) => other !== group);
    if (others.length > 0) this.#byKey.set(start, others);
    else this.#byKey.delete(start);
  }

  get count(): number {
    return this.#byName.size;
  }

  values(): Iterable<WatcherGroup> {
    return this.#byName.values();
  }

  /** Appends the groups that watch a key. */
  collect(key: string, into: WatcherGroup[]): void {
    if (this.#byKey.size > 0) {
      const groups = this.#byKey.get(key);
      if (groups !== undefined) into.push(...groups);
    }
    this.#byInterval.collect(key, into);
  }

  /** @param isGathering whether events wait for their flush */
  verify(isGathering: boolean): void {
    this.#byInterval.verify();
    for (const [name, group] of this.#byName) {
      assert(name === group.name && group.size > 0, "a group in the index has watchers");
      assert(isGathering || group.events === null, "no events wait between flushes");
      const found: WatcherGroup[] = [];
      if (group.interval.start < group.interval.end) this.collect(group.interval.start, found);
      assert(group.interval.start >= group.interval.end || found.includes(group), "a group is found by its first key");
    }
  }
}
