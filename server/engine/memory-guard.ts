/**
 * Looks at how full memory is, since a heap that is full ends the process, whatever the quota says. While it is short,
 * requests that add bytes are refused (`space-guard.ts`); deletes, compaction and reads go on, as they are the way out.
 */
import type { Clock, Timer } from "../clock.ts";

/** What is used of memory, and what may be, each in bytes. */
export interface MemoryUse {
  /** Of the heap, without garbage as far as that is known. */
  readonly heapBytes: number;
  readonly heapLimitBytes: number;
  /** The heap and what lies outside of it: values, buffers. */
  readonly totalBytes: number;
  readonly totalLimitBytes: number;
}

/** How full memory is, for who asks. */
export interface Memory {
  /** Whether what adds bytes is to be refused, which would make so many bytes of all that the keyspace keeps. */
  isShortWith(keptBytes: number): boolean;
  /** What is used when nothing more fits, for a start that must not go on; else null. */
  fullWith(): MemoryUse | null;
}

/** What the journal holds does not fit into memory. */
export class OutOfMemoryError extends Error {
  readonly code = "ERR_OUT_OF_MEMORY";

  /** @param share of the journal that has been executed, from 0 to 1 */
  constructor({ heapBytes, heapLimitBytes, totalBytes, totalLimitBytes }: MemoryUse, share: number) {
    const isHeap = heapBytes / heapLimitBytes >= totalBytes / totalLimitBytes;
    const [used, limit] = isHeap ? [heapBytes, heapLimitBytes] : [totalBytes, totalLimitBytes];
    const needed = mebibytes((limit / SHORT_FROM_SHARE) * Math.max(1 / share, 1));
    const advice = isHeap
      ? `start with NODE_OPTIONS=--max-old-space-size=${needed}, or on a machine with more memory`
      : `start on a machine with ${needed} MiB for this process`;
    super(
      `what the journal holds does not fit into memory: ${Math.floor(share * 100)} % of it take ${mebibytes(used)} MiB of ` +
        `${mebibytes(limit)} MiB ${isHeap ? "of heap" : "of memory"}; ${advice}`,
    );
    this.name = "OutOfMemoryError";
  }
}

/** Memory is short from here on, until it is less full than that. */
const SHORT_FROM_SHARE = 0.85;
const SHORT_UNTIL_SHARE = 0.75;

/** A start goes on up to here: further than serving, so that what was served can be started again. */
const FULL_FROM_SHARE = 0.92;

/** Tables of which so little is left count with the next one: for a start later, for the same reason. */
const SHORT_IF_LEFT_SHARE = 1 / 8;
const FULL_IF_LEFT_SHARE = 1 / 32;

/** How often it is looked at, and how often where it fills. */
const LOOK_MS = 1_000;
const LOOK_OFTEN_MS = 100;
const LOOK_OFTEN_FROM_SHARE = 0.5;

/** What the keyspace has grown by since the last look is known in between. A look that this asks for is the last one for so long. */
const LOOK_AGAIN_MS = 10;

export interface MemoryGuardOptions {
  readonly clock: Clock;
  readonly read: () => MemoryUse;
  /** Bytes that the keyspace keeps, outside of the heap. */
  readonly keptBytes: () => number;
  /**
   * Bytes of the heap that are about to be taken at once, in one turn.
   *
   * @param share of the places of a table: so many are left at most before a larger one takes its place
   */
  readonly growthBytesIfLeft: (share: number) => number;
  /** Memory became short, or is enough again. */
  readonly onChange: (isShort: boolean, use: MemoryUse) => void;
}

export class MemoryGuard implements Memory {
  readonly #options: MemoryGuardOptions;
  #timer: Timer | null = null;
  #isShort = false;
  /** With more than this in the keyspace memory was short, as last looked at. */
  #keptBytesMax = Number.POSITIVE_INFINITY;
  #lookedMs = Number.NEGATIVE_INFINITY;

  constructor(options: MemoryGuardOptions) {
    this.#options = options;
  }

  get isShort(): boolean {
    return this.#isShort;
  }

  /** Begins to look. */
  start(): void {
    const share = this.#look();
    this.#timer = this.#options.clock.after(share >= LOOK_OFTEN_FROM_SHARE ? LOOK_OFTEN_MS : LOOK_MS, () =>
      this.start(),
    );
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  isShortWith(keptBytes: number): boolean {
    if (this.#isShort || keptBytes <= this.#keptBytesMax) return this.#isShort;
    // Timers come late when much is being executed, and other memory may be free by now.
    if (this.#options.clock.nowMs() - this.#lookedMs >= LOOK_AGAIN_MS) this.#look();
    return this.#isShort || keptBytes > this.#keptBytesMax;
  }

  fullWith(): MemoryUse | null {
    const use = this.#readWith(FULL_IF_LEFT_SHARE);
    return shareOf(use) >= FULL_FROM_SHARE ? use : null;
  }

  #readWith(ifLeftShare: number): MemoryUse {
    const { read, growthBytesIfLeft } = this.#options;
    const use = read();
    return { ...use, heapBytes: use.heapBytes + growthBytesIfLeft(ifLeftShare) };
  }

  #look(): number {
    const { clock, keptBytes } = this.#options;
    const use = this.#readWith(SHORT_IF_LEFT_SHARE);
    this.#lookedMs = clock.nowMs();
    this.#keptBytesMax = keptBytes() + SHORT_FROM_SHARE * use.totalLimitBytes - use.totalBytes;
    const share = shareOf(use);
    const isShort = share >= (this.#isShort ? SHORT_UNTIL_SHARE : SHORT_FROM_SHARE);
    if (isShort !== this.#isShort) {
      this.#isShort = isShort;
      this.#options.onChange(isShort, use);
    }
    return share;
  }
}

/** Whether memory ends before so many bytes of keys and values are kept, for which the quota counts nearly all that they take. */
export function isBeyondMemory(quotaBytes: number, { totalLimitBytes }: MemoryUse): boolean {
  return Number.isFinite(quotaBytes) && quotaBytes > totalLimitBytes * SHORT_FROM_SHARE;
}

/** Of the scarcer of the two. */
function shareOf({ heapBytes, heapLimitBytes, totalBytes, totalLimitBytes }: MemoryUse): number {
  return Math.max(heapBytes / heapLimitBytes, totalBytes / totalLimitBytes);
}

function mebibytes(bytes: number): number {
  return Math.ceil(bytes / 1024 / 1024);
}
