/**
 * Whether there is any order of the acts of a tiny history in which a store could have done them one by one: by trying them
 * all. Slow, and too simple to be wrong; the fast check is held against it.
 */
import type { Acts, Get, Put, Shown } from "./history.ts";

interface Store {
  readonly values: ReadonlyMap<string, string>;
  readonly written: ReadonlySet<string>;
  readonly revision: number;
}

export function hasAnOrder({ puts, gets, shown }: Acts): boolean {
  // One of which nobody knows, and that nobody saw, need not have been done.
  const revisions = new Map([
    ...[...gets, ...shown].flatMap(({ value, revision }) => (value === null ? [] : [[value, revision] as const])),
    ...puts.flatMap(({ value, revision }) => (revision === null ? [] : [[value, revision] as const])),
  ]);
  const acts = [...puts.filter(({ value }) => revisions.has(value)), ...gets.filter((get) => get.isAnswered), ...shown];
  return goesOn(acts, { values: new Map(), written: new Set(), revision: 0 });

  function goesOn(left: readonly (Put | Get | Shown)[], store: Store): boolean {
    if (left.length === 0) return true;
    return left.some((act) => {
      const begin = act.kind === "shown" ? act.end : act.begin;
      if (left.some((other) => other !== act && other.end < begin)) return false;
      const next = after(store, act);
      return (
        next !== null &&
        goesOn(
          left.filter((other) => other !== act),
          next,
        )
      );
    });
  }

  function after(store: Store, act: Put | Get | Shown): Store | null {
    if (act.kind === "shown") return store.written.has(act.value) ? store : null;
    if (act.kind === "get") {
      if ((store.values.get(act.key) ?? null) !== act.value) return null;
      const revision = act.storeRevision ?? store.revision;
      return revision < store.revision ? null : { ...store, revision };
    }
    const revision = revisions.get(act.value) ?? 0;
    if (act.outcome === "failed" || revision <= store.revision) return null;
    const written = new Set([...store.written, act.value]);
    return { values: new Map([...store.values, [act.key, act.value]]), written, revision };
  }
}
