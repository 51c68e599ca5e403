/** How much memory this process uses, and how much it may. */
import { totalmem } from "node:os";
import { constants, PerformanceObserver } from "node:perf_hooks";
import process from "node:process";
import v8 from "node:v8";

/** Of the memory that there is; the rest is for code, sockets and the system. */
const USABLE_SHARE = 0.9;

/** The limit that V8 tells is that of old objects and this much for new ones, unless Node is told otherwise. */
const YOUNG_BYTES = 192 * 1024 * 1024;

/** Memory of the machine, or what its container may use of it. */
function memoryBytes(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

const TOTAL_LIMIT_BYTES = memoryBytes() * USABLE_SHARE;

/** Full collections are observed once this share of the heap is used: before, each collection would cost for nothing. */
const OBSERVED_FROM_SHARE = 0.5;

let observer: PerformanceObserver | null = null;
let collectedBytes = 0;

/** The heap as far as it holds old objects, which is what fills, and all that is used. */
export function readMemoryUse() {
  const {
    heap_size_limit: limitBytes,
    used_heap_size: usedBytes,
    external_memory: externalBytes,
  } = v8.getHeapStatistics();
  const heapBytes = oldBytes();
  const heapLimitBytes = limitBytes > YOUNG_BYTES ? limitBytes - YOUNG_BYTES : limitBytes / 2;
  if (heapBytes >= OBSERVED_FROM_SHARE * heapLimitBytes) observer ??= observeCollections();
  return {
    heapBytes,
    // What lives is never more than what is used.
    heapCollectedBytes: Math.min(collectedBytes, heapBytes),
    heapLimitBytes,
    totalBytes: usedBytes + externalBytes,
    totalLimitBytes: TOTAL_LIMIT_BYTES,
  };
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
