/** What a process that fills a keyspace is told (measure.ts), and what it tells. */

export interface Plan {
  readonly keys: number;
  /** How long updates go on while compaction and reclaim run. */
  readonly steadySeconds: number;
}

/** How often a thing was done in a second, and what one cost in processor time, all threads together. */
export interface Rate {
  readonly perSecond: number;
  readonly cpuMicroseconds: number;
}

/** How long the event loop stood still, as a timer saw it, and the processor time of the longest slice of removal. */
export interface Pauses {
  readonly p999Ms: number;
  readonly maxMs: number;
  readonly sliceCpuMs: number;
  readonly updatesPerSecond: number;
}

export interface Memory {
  readonly residentBytes: number;
  /** Of the process before its first key. */
  readonly residentBefore: number;
  readonly heapBytes: number;
}

export interface Removal {
  /** From the compaction on until nothing was left to remove. */
  readonly seconds: number;
  /** Blocks in use before the keys were deleted and after, and free ones that are kept. */
  readonly usedBefore: number;
  readonly usedAfter: number;
  readonly freeAfter: number;
  readonly residentBefore: number;
  readonly residentAfter: number;
}

export interface Figures {
  readonly load: Rate;
  readonly memory: Memory;
  readonly get: Rate;
  /** Of items. */
  readonly list: Rate;
  readonly countMs: number;
  readonly randomUpdate: Rate;
  readonly hotUpdate: Rate;
  /** Of versions that are removed, with the moving of what is left. */
  readonly compaction: Rate;
  readonly steady: Pauses;
  readonly removing: Pauses;
  readonly removal: Removal;
}
