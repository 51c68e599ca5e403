/**
 * Looks for the number of nodes at which a machine is saturated: twice as many each time until it is, or half as many while
 * it is from the start, and then halfway between what it bears and what it does not, until the two lie close together.
 * Where something else than the server was the limit the search goes no higher
 * either, and its outcome tells.
 */

/**
 * What a machine makes of a number of nodes. Of a server nothing is said by "load", when the load had no time to ask, and by
 * "others", when other processes had the cores.
 */
export type Verdict = "bears" | "saturated" | "load" | "others";

const AT_THE_END = {
  saturated: "saturated at",
  load: "the load itself came to its limit, which says nothing of the server, at",
  others: "others had the cores, which says nothing of the server, at",
} as const;

/** What is borne and what is not lie at most that far apart in the end, as a ratio. */
const CLOSE = 1.15;

export class SaturationSearch {
  readonly #nodesMin: number;
  readonly #nodesMax: number;
  #next: number | null;
  #bears = 0;
  #fails = Number.POSITIVE_INFINITY;
  #failedFor: Exclude<Verdict, "bears"> = "saturated";

  constructor(first: number, nodesMin: number, nodesMax: number) {
    this.#nodesMin = nodesMin;
    this.#nodesMax = nodesMax;
    this.#next = first;
  }

  /** How many nodes to try; null when the search is over. */
  get next(): number | null {
    return this.#next;
  }

  /** Takes what `next` has come to. */
  tell(verdict: Verdict): void {
    const nodes = this.#next;
    if (nodes === null) throw new Error("the search is over");
    if (verdict === "bears") {
      this.#bears = nodes;
    } else {
      this.#fails = nodes;
      this.#failedFor = verdict;
    }
    this.#next = this.#choose();
  }

  /** What is known, in words. */
  get outcome(): string {
    const { format } = new Intl.NumberFormat("en-US");
    const bears = this.#bears === 0 ? "" : `bears ${format(this.#bears)} nodes`;
    if (this.#fails === Number.POSITIVE_INFINITY) return `${bears}; more were not tried`;
    const end = `${AT_THE_END[this.#failedFor]} ${format(this.#fails)}`;
    return bears === "" ? end : `${bears}, ${end}`;
  }

  #choose(): number | null {
    if (this.#fails === Number.POSITIVE_INFINITY) {
      return this.#bears >= this.#nodesMax ? null : Math.min(this.#nodesMax, this.#bears * 2);
    }
    if (this.#bears === 0) return this.#fails <= this.#nodesMin ? null : Math.max(this.#nodesMin, half(this.#fails));
    return this.#fails / this.#bears <= CLOSE ? null : half(this.#bears + this.#fails);
  }
}

function half(nodes: number): number {
  return Math.round(nodes / 2);
}
