/**
 * What is wrong with a history. Every write has the revision that it got, so the one order of writes is known, and each
 * rule is a walk along it:
 *
 * - `revision`: a revision stands for one write, a write has one revision, and what was read or shown was written.
 * - `order`: a put that begins when something has been acknowledged, read or shown gets a higher revision than that.
 * - `stale`: a get shows no less than what was acknowledged, read or shown, by anybody, before it began. With the two rules
 *   before it this is linearizability of the whole store with its revisions as the order: `exhaustive-check.ts` tries all
 *   orders, and agrees.
 * - `lost`: what was acknowledged is there in the end.
 * - `failed`: what was answered to be not done is nowhere.
 * - `fork`: of what two servers have in the end, one is the beginning of the other.
 * - `watch`: a watch shows the writes of a key in order, and leaves out none between two that it shows.
 */
import type { Acts, Found, Get, Put, Shown, Write } from "./history.ts";

export interface Violation {
  readonly rule: "revision" | "order" | "stale" | "lost" | "failed" | "fork" | "watch";
  readonly text: string;
}

type Tell = (rule: Violation["rule"], text: string) => void;

/** @returns the first violations of each rule that is broken; none when the history is as it must be */
export function checkHistory(acts: Acts): Violation[] {
  const violations: Violation[] = [];
  const tell: Tell = (rule, text) => void violations.push({ rule, text });
  const order = new WriteOrder(acts, tell);
  checkFailed(acts, order, tell);
  checkFound(acts, tell);
  checkWatches(acts, order, tell);
  // Without one order of writes there is nothing to hold the others against.
  if (!violations.some(({ rule }) => rule === "revision")) checkRealTime(acts, order, tell);
  return violations;
}

/** Which write each revision is, of all that anybody knows of. */
class WriteOrder {
  readonly byValue = new Map<string, Write>();
  /** Of each key, growing. */
  readonly revisionsOf = new Map<string, number[]>();

  constructor({ puts, gets, shown, found }: Acts, tell: Tell) {
    const putOf = new Map(puts.map((put) => [put.value, put]));
    const byRevision = new Map<number, Write>();
    const learn = (who: string, key: string, value: string, revision: number): void => {
      const put = putOf.get(value);
      if (put === undefined || put.key !== key) {
        tell("revision", `${who} has ${key} = ${value}, which nobody put`);
        return;
      }
      const same = byRevision.get(revision);
      const known = this.byValue.get(value);
      if (same !== undefined && same.value !== value) {
        tell("revision", `revision ${revision} is ${same.key} = ${same.value}, and for ${who} ${key} = ${value}`);
      } else if (known !== undefined && known.revision !== revision) {
        tell("revision", `${key} = ${value} has revision ${known.revision}, and for ${who} ${revision}`);
      } else if (same === undefined) {
        const write = { key, value, revision };
        byRevision.set(revision, write);
        this.byValue.set(value, write);
      }
    };
    for (const { client, key, value, revision } of puts) if (revision !== null) learn(client, key, value, revision);
    for (const { by, writes } of found) {
      for (const { key, value, revision } of writes) learn(by, key, value, revision);
    }
    for (const { by, key, value, revision } of shown) learn(by, key, value, revision);
    for (const { client, key, value, revision } of gets) if (value !== null) learn(client, key, value, revision);

    for (const { key, revision } of this.byValue.values()) {
      const revisions = this.revisionsOf.get(key);
      if (revisions === undefined) this.revisionsOf.set(key, [revision]);
      else revisions.push(revision);
    }
    for (const revisions of this.revisionsOf.values()) revisions.sort((a, b) => a - b);
  }

  /** The first revision of the key that is higher. */
  next(key: string, revision: number): number {
    const revisions = this.revisionsOf.get(key) ?? [];
    const at = firstAbove(revisions, revision);
    return at < revisions.length ? revisions[at] : Infinity;
  }
}

function checkFailed({ puts }: Acts, order: WriteOrder, tell: Tell): void {
  for (const { outcome, key, value, client } of puts) {
    const write = order.byValue.get(value);
    if (outcome !== "failed" || write === undefined) continue;
    tell("failed", `${client} was refused ${key} = ${value}, and it is revision ${write.revision}`);
  }
}

function checkFound({ puts, found }: Acts, tell: Tell): void {
  const longest = found.reduce<Found | null>((best, each) => (lastOf(each) > lastOf(best) ? each : best), null);
  if (longest === null) return;
  const values = new Set(longest.writes.map(({ value }) => value));
  for (const { outcome, key, value, client, revision } of puts) {
    if (outcome !== "ok" || values.has(value)) continue;
    tell("lost", `${client} has put ${key} = ${value} as revision ${revision}, and it is not there in the end`);
  }
  for (const each of found) {
    if (each.writes.some(({ revision }, i) => i > 0 && revision <= each.writes[i - 1].revision)) {
      tell("fork", `${each.by} has its revisions in another order`);
    }
    const differing = each.writes.findIndex(
      ({ value, revision }, i) => longest.writes[i]?.value !== value || longest.writes[i].revision !== revision,
    );
    if (differing === -1) continue;
    const { revision } = each.writes[differing];
    tell("fork", `${each.by} goes another way than ${longest.by} from its revision ${revision} on`);
  }
}

function checkWatches({ shown }: Acts, order: WriteOrder, tell: Tell): void {
  /** Of each watch: the last revision, and the last one of each key. */
  const lasts = new Map<string, { revision: number; readonly keys: Map<string, number> }>();
  for (const { by, isWatch, key, revision } of shown) {
    if (!isWatch) continue;
    let last = lasts.get(by);
    if (last === undefined) lasts.set(by, (last = { revision: 0, keys: new Map() }));
    if (revision <= last.revision) tell("watch", `${by} shows revision ${revision} behind ${last.revision}`);
    const before = last.keys.get(key);
    const leftOut = before === undefined ? Infinity : order.next(key, before);
    if (leftOut < revision) tell("watch", `${by} shows ${key} of revision ${revision}, and leaves out ${leftOut}`);
    last.revision = Math.max(last.revision, revision);
    last.keys.set(key, Math.max(before ?? 0, revision));
  }
}

/** Whatever ended says up to which revision the store has come, and what begins later comes behind that. */
function checkRealTime({ puts, gets, shown }: Acts, order: WriteOrder, tell: Tell): void {
  const begun = [
    ...puts.filter(({ value }) => order.byValue.has(value)),
    ...gets.filter((get) => get.isAnswered),
  ].toSorted((a, b) => a.begin - b.begin);
  /** Of each act that has been placed, the revision that the store has at it. */
  const placed = new Map<Put | Get | Shown, number>(shown.map((each) => [each, each.revision]));
  const ended: (Put | Get | Shown)[] = [...begun.filter(({ end }) => end !== Infinity), ...shown].toSorted(
    (a, b) => a.end - b.end,
  );
  /** The furthest of what has ended. */
  let furthest: Put | Get | Shown | null = null;
  let reached = 0;
  let i = 0;
  for (const act of begun) {
    for (; i < ended.length && ended[i].end < act.begin; i++) {
      // It began before it ended, so it is placed.
      const revision = placed.get(ended[i]) ?? 0;
      if (revision > reached) {
        reached = revision;
        furthest = ended[i];
      }
    }
    placed.set(act, act.kind === "put" ? placePut(act) : placeGet(act));
  }

  function placePut({ client, key, value, beginMs }: Put): number {
    const revision = order.byValue.get(value)?.revision ?? 0; // Only those that have one are placed.
    if (revision <= reached) {
      tell(
        "order",
        `${client} began to put ${key} = ${value} at ${beginMs.toFixed(3)} ms and got revision ${revision}, when ${told(furthest)}`,
      );
    }
    return revision;
  }

  function placeGet({ client, key, value, revision, storeRevision, beginMs }: Get): number {
    const next = order.next(key, revision);
    const least = Math.max(reached, revision, storeRevision ?? 0);
    const most = storeRevision ?? Infinity;
    if (least >= next || least > most) {
      const inStore = storeRevision === null ? "" : ` in a store of revision ${storeRevision}`;
      tell(
        "stale",
        `${client} began to get ${key} at ${beginMs.toFixed(3)} ms and got ${value} of revision ${revision}${inStore}, ` +
          `when ${told(furthest)}${next === Infinity ? "" : `; the next one is ${next}`}`,
      );
    }
    return least;
  }
}

function told(act: Put | Get | Shown | null): string {
  if (act === null) return "nothing had ended";
  if (act.kind === "put") return `${act.client} had put ${act.key} = ${act.value} as revision ${act.revision}`;
  if (act.kind === "get") return `${act.client} had got ${act.key} = ${act.value} of revision ${act.revision}`;
  return `${act.by} had shown ${act.key} = ${act.value} of revision ${act.revision}`;
}

function lastOf(found: Found | null): number {
  return found?.writes.at(-1)?.revision ?? -1;
}

/** Index of the first number above the bound in growing ones. */
function firstAbove(numbers: readonly number[], bound: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle] > bound) high = middle;
    else low = middle + 1;
  }
  return low;
}
