/** What a witness may take. */

/** Of a chunk of images or records; a longer one of either is a chunk of its own. */
export const CHUNK_BYTES = 256 * 1024;

/** Chunks that are on their way to the thread, or not worked on yet. */
export const CHUNK_BYTES_UNDER_WAY_MAX = 2 * 1024 * 1024;

/** How nice its thread is to all others (nice(2)). */
export const WITNESS_NICENESS = 10;

/** Removal keeps step with the records of one chunk. */
export const COMPACTION_ENTRIES = 2_000;

/** Looks at keys and versions for one chunk of what it compares. */
export const LOOKS = 1_000;
