/** The journal's limits. Those of the format (what a reader must accept) come first, those of this writer after them. */

/** Largest record: a request of 64 MiB, which is forty times etcd's default, and what a server puts before it. */
export const RECORD_BYTES_MAX = 64 * 1024 * 1024 + 64 * 1024;

/** A frame is closed before it grows beyond this; only a single record larger than that makes a larger frame. */
export const FRAME_BYTES_SOFT = 1024 * 1024;

/** Size of a segment file unless the opener asks for another. */
export const SEGMENT_BYTES_DEFAULT = 64 * 1024 * 1024;

/** Smallest segment that is worth its header; small ones are for tests of rolling and trimming. */
export const SEGMENT_BYTES_MIN = 8 * 1024;

/** Frame buffers kept for reuse. Two are in turn in steady state: one open, one at the disk. */
export const SPARE_BATCHES_MAX = 4;

/** One read while segments are checked at open; a larger frame is read on its own. */
export const RECOVERY_READ_BYTES = 4 * 1024 * 1024;

/** One read of a cursor: there may be several, and they are never in a hurry. */
export const CURSOR_READ_BYTES = 1024 * 1024;

/**
 * The next segment is filled with zeros in steps of this size, each made durable, with a pause between them. At full
 * speed zero-filling took a 64-appender load from 285k records/s to 20k (p99 33 ms); in these steps it is not noticed.
 */
export const ZERO_STEP_BYTES = 256 * 1024;
export const ZERO_STEP_PAUSE_MS = 4;

/** Share of the segment in use after which the next one is prepared: a small journal never pays for a second file. */
export const PREPARE_AFTER_SHARE = 0.25;

/** When a step of that failed, the next one comes no sooner. */
export const PREPARE_RETRY_MS = 1_000;

/** A roll that failed for want of something that may come back is tried again after the first, then after twice as long. */
export const STALL_RETRY_MIN_MS = 20;
export const STALL_RETRY_MAX_MS = 1_000;

/** Room that is set aside on the disk for when there is none, as far as a segment is not smaller. */
export const RESERVE_BYTES = 1024 * 1024;
/**
 * What the log holds is written into its mark this long after a frame, at the latest; how long before a crash a loss of
 * whole frames at the log's end may stay unnoticed.
 */
export const MARK_LAG_MS = 200;
