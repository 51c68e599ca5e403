/** Decides whether two servers said the same, freedoms aside, and notes which freedoms were made use of. */
import { isDeepStrictEqual } from "node:util";
import type { Both, Freedom, Question, WatchContext } from "./freedoms.ts";
import { ANSWER_FREEDOMS, PROGRESS_FREEDOM, WATCH_FREEDOMS } from "./freedoms.ts";
import type { PlainHeader } from "./plain.ts";
import type { Answer } from "./side.ts";
import type { Delivery, WatchNews } from "./watch-log.ts";

export class Comparison {
  /** How often each freedom was needed to find two answers equal. */
  readonly used = new Map<Freedom, number>();

  answers(question: Question, plinth: Answer, etcd: Answer): boolean {
    if (isDeepStrictEqual(plinth, etcd)) return true;
    return this.#level(ANSWER_FREEDOMS, [plinth, etcd], (freedom, both) => freedom.level(question, both));
  }

  watches(context: WatchContext, plinth: WatchNews, etcd: WatchNews): boolean {
    if (!isDeepStrictEqual(plinth.notices, etcd.notices)) return false;
    const deliveries: Both<readonly Delivery[]> = [plinth.deliveries, etcd.deliveries];
    if (isDeepStrictEqual(...deliveries)) return true;
    return this.#level(WATCH_FREEDOMS, deliveries, (freedom, both) => freedom.level(context, both));
  }

  /** @param hasEndedWatch whether compaction ended a watch of the stream that its client has not cancelled */
  progress(hasEndedWatch: boolean, plinth: readonly PlainHeader[], etcd: readonly PlainHeader[]): boolean {
    if (isDeepStrictEqual(plinth, etcd)) return true;
    if (!hasEndedWatch || etcd.length > 0) return false;
    this.#use(PROGRESS_FREEDOM);
    return true;
  }

  #level<F extends Freedom, T>(
    freedoms: readonly F[],
    both: Both<T>,
    level: (freedom: F, both: Both<T>) => Both<T>,
  ): boolean {
    const touched: F[] = [];
    let leveled = both;
    for (const freedom of freedoms) {
      const next = level(freedom, leveled);
      if (!isDeepStrictEqual(next, leveled)) touched.push(freedom);
      leveled = next;
    }
    if (!isDeepStrictEqual(...leveled)) return false;
    for (const freedom of touched) this.#use(freedom);
    return true;
  }

  #use(freedom: Freedom): void {
    this.used.set(freedom, (this.used.get(freedom) ?? 0) + 1);
  }
}
