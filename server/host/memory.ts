/** How much memory this process uses, and how much it may. */
import { readFileSync } from "node:fs";
import { totalmem } from "node:os";
import { constants, PerformanceObserver } from "node:perf_hooks";
import process from "node:process";
import v8 from "node:v8";
import { runInNewContext } from "node:vm";
import { processLimit } from "./process-limits.ts";

/** Of the memory that there is; the rest is for code, sockets and the system. */
const USABLE_SHARE = 0.9;

const MEBIBYTE = 1024 * 1024;

/** In which Linux counts addresses, but on machines of other kinds than most. */
const PAGE_BYTES = 4_096;

/** The limit that V8 tells is that of old objects and this much for new ones, unless Node is told otherwise. */
const YOUNG_BYTES = 192 * MEBIBYTE;

/** Memory of the machine, or what its container may use of it. */
function memoryBytes(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

/** Kept back of the heap, however small: to end in order needs memory as well. */
const RESERVED_BYTES = 4 * MEBIBYTE;

/** The limit of old objects: as the command, the launcher or an operator has given it, the last word on the command line. */
function oldLimitBytes(): number {
  const options = [process.env["NODE_OPTIONS"], ...process.execArgv].join(" ");
  const given = [...options.matchAll(/--max[-_]old[-_]space[-_]size([-_]percentage)?[= ]([\d.]+)/g)].at(-1);
  if (given !== undefined) return Number(given[2]) * (given[1] === undefined ? MEBIBYTE : memoryBytes() / 100);
  const { heap_size_limit: bytes } = v8.getHeapStatistics();
  return bytes > YOUNG_BYTES ? bytes - YOUNG_BYTES : bytes / 2;
}

const HEAP_LIMIT_BYTES = oldLimitBytes() - RESERVED_BYTES;

/** What the process may use when the operator has not said it. */
const TOTAL_LIMIT_BYTES = memoryBytes() * USABLE_SHARE;

/** Full collections are observed once this share of the heap is used: before, each collection would cost for nothing. */
const OBSERVED_FROM_SHARE = 0.5;

/** Here V8 is about to collect, and to end the process if too little is freed: better to know before. */
const COLLECTED_FROM_SHARE = 0.95;
/** Not if there can be no more garbage than this share. */
const COLLECTED_FOR_SHARE = 0.05;

/**
 * Addresses that the process may use beyond those of its start, of which V8 and threads take some in large pieces, and end the
 * process where they cannot.
 */
const ADDRESSES_RESERVED_BYTES = 64 * MEBIBYTE;
const ADDRESS_LIMIT_BYTES = processLimit("Max address space");
const STARTED_ADDRESS_BYTES = isAddressSpaceLimited() ? addressBytes() : 0;

/** Whether the operator bounds the addresses of the process, with `ulimit -v` or LimitAS=. */
export function isAddressSpaceLimited(): boolean {
  return Number.isFinite(ADDRESS_LIMIT_BYTES);
}

let observer: PerformanceObserver | null = null;
let collect: (() => void) | null = null;
/** What the last full collection that was seen has left. */
let collectedBytes = 0;

/**
 * The heap as far as it holds old objects that live, which is what fills, and all that is used: that, and what the process has
 * resident besides the heap, whatever it is for: blocks, values, buffers of sockets, code.
 *
 * @param limitBytes what the operator has given, or null
 */
export function readMemoryUse(limitBytes: number | null) {
  const { total_physical_size: heapResidentBytes, external_memory: externalBytes } = v8.getHeapStatistics();
  const heapBytes = livingBytes();
  // Pages that nobody has touched yet are not resident, and are promised all the same.
  const besidesBytes = Math.max(process.memoryUsage.rss() - heapResidentBytes, externalBytes);
  const totalBytes = heapBytes + besidesBytes;
  const totalLimitBytes = limitBytes ?? TOTAL_LIMIT_BYTES;
  return { heapBytes, heapLimitBytes: HEAP_LIMIT_BYTES, ...scarcer({ totalBytes, totalLimitBytes }) };
}

/** Of memory and addresses. */
function scarcer(memory: { readonly totalBytes: number; readonly totalLimitBytes: number }) {
  if (!isAddressSpaceLimited()) return memory;
  const totalBytes = addressBytes() - STARTED_ADDRESS_BYTES;
  const totalLimitBytes = Math.max(ADDRESS_LIMIT_BYTES - STARTED_ADDRESS_BYTES - ADDRESSES_RESERVED_BYTES, MEBIBYTE);
  const isScarcer = totalBytes / totalLimitBytes > memory.totalBytes / memory.totalLimitBytes;
  return isScarcer ? { totalBytes, totalLimitBytes } : memory;
}

function addressBytes(): number {
  return Number.parseInt(readFileSync("/proc/self/statm", "utf8"), 10) * PAGE_BYTES;
}

/** What is used has garbage in it, so from a share on what collections leave counts. */
function livingBytes(): number {
  const usedBytes = oldBytes();
  const observedFromBytes = OBSERVED_FROM_SHARE * HEAP_LIMIT_BYTES;
  if (usedBytes < observedFromBytes) return usedBytes;
  observer ??= observeCollections();
  const isNearEnd = usedBytes >= COLLECTED_FROM_SHARE * HEAP_LIMIT_BYTES;
  if (isNearEnd && usedBytes - collectedBytes > COLLECTED_FOR_SHARE * HEAP_LIMIT_BYTES) {
    collect ??= collector();
    collect();
    collectedBytes = oldBytes();
  }
  return Math.max(observedFromBytes, Math.min(collectedBytes, usedBytes));
}

/** Node gives it to those who ask before it starts; this is how to ask later. */
function collector(): () => void {
  v8.setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void; // The flag's function, in a context that is made after it was set.
}

function oldBytes(): number {
  let bytes = 0;
  for (const space of v8.getHeapSpaceStatistics()) {
    if (!space.space_name.startsWith("new_")) bytes += space.space_used_size;
  }
  return bytes;
}

function observeCollections(): PerformanceObserver {
  const collections = new PerformanceObserver((list) => {
    // What Node tells of a collection besides, which is not in the types.
    for (const { detail } of list.getEntries() as unknown as { detail: { kind: number } }[]) {
      if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) collectedBytes = oldBytes();
    }
  });
  collections.observe({ entryTypes: ["gc"] });
  return collections;
}
