/** The bounds of snapshots: of their files, and of what is under way between the main thread and those that write and read. */

/** How long a record may be: one of the largest request, with what lies around it. */
export const RECORD_BYTES_MAX = 64 * 1024 * 1024 + 64 * 1024;

/**
 * A chunk as it is written, unless one record is longer. LMDB puts 16 bytes in front of a value that takes whole pages: so it
 * fills 64 of them.
 */
export const CHUNK_BYTES = 256 * 1024 - 16;

/** A longer label is cut. */
export const LABEL_BYTES_MAX = 64;

/** A chunk is compressed where that leaves no more than this share of it. */
export const COMPRESSED_SHARE_MAX = 7 / 8;

/** Behind one that did not shrink so many are not tried: values that are encrypted would cost more than all else. */
export const COMPRESSION_PAUSE_CHUNKS = 7;

/** What the contents of a snapshot may take, packed: what its owner adds, and some 70 bytes a chunk. */
export const CONTENTS_BYTES_MAX = 256 * 1024 * 1024;

/** The mark has a sum for each so many bytes of the file, which are read at a time to check it. */
export const SUM_BYTES = 4 * 1024 * 1024;

/**
 * LMDB maps a file into so much of the address space while it is written, and no file grows beyond it. It is more than the
 * blocks of a keyspace have room for, and less than a process has anywhere.
 */
export const FILE_BYTES_MAX = 128 * 1024 * 1024 * 1024;

/** What is read counts as this process's memory as long as it is mapped: after so many bytes the file is mapped anew. */
export const MAPPED_BYTES_MAX = 32 * 1024 * 1024;

/** What LMDB takes when it opens a file, and more: descriptors, and room for the first pages. */
export const OPENING_DESCRIPTORS = 4;
export const OPENING_ROOM_BYTES = 1024 * 1024;

/** What is written is made durable in portions, as one of gigabytes would keep the journal on the same disk waiting. */
export const SYNC_BYTES = 16 * 1024 * 1024;

/** How fast a snapshot is written, unless told otherwise. */
export const SNAPSHOT_BYTES_PER_SECOND = 50_000_000;

/** What is moved of a snapshot between zones at a time; as much as a packet of the journal's connections for files has room for. */
export const PIECE_BYTES = 256 * 1024;

/** How fast a server that starts takes one from a zone elsewhere: others may be served from the same disk. */
export const FETCH_BYTES_PER_SECOND = 200_000_000;

/** What is read again, from the page cache, counts as so much of what is written. */
export const READING_COST = 1 / 8;

/** What was not used of that rate for a while is not caught up with beyond this. */
export const PACE_LAG_MS = 100;

/** The priority of the thread that writes, as a niceness: lower than all that serves, and not so low that it starves. */
export const WRITING_NICENESS = 10;

/** So long a process that ends waits for what the thread that writes has at hand: a durable write, at most. */
export const STOPPING_MS_MAX = 5_000;

/** Bytes on their way to the thread that writes; who has more waits. One chunk may go beyond it. */
export const WRITING_BYTES_MAX = 8 * 1024 * 1024;

/** The memory of so many bytes comes back together: each message wakes the main thread. */
export const WRITTEN_BYTES_TOLD = 2 * 1024 * 1024;

/** Bytes read ahead of who takes them; the thread that reads waits then. One chunk may go beyond it. */
export const READING_BYTES_MAX = 8 * 1024 * 1024;

/** Where there is less room on a disk than what was to be written and this, a failed write is for want of it. */
export const NO_SPACE_BYTES = 1024 * 1024;
