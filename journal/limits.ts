/** The journal's limits. Those of the format (what a reader must accept) come first, those of this writer after them. */

/** Largest record: a request of 64 MiB, which is forty times etcd's default, and what a server puts before it. */
export const RECORD_BYTES_MAX = 64 * 1024 * 1024 + 64 * 1024;

/** A frame is closed before it grows beyond this; only a single record larger than that makes a larger frame. */
export const FRAME_BYTES_SOFT = 1024 * 1024;

/** Size of a segment file unless the opener asks for another. */
export const SEGMENT_BYTES_DEFAULT = 64 * 1024 * 1024;

/** Smallest segment that is worth its header; small ones are for tests of rolling and trimming. */
export const SEGMENT_BYTES_MIN = 8 * 1024;

/** One read while segments are checked at open; a larger frame is read on its own. */
export const RECOVERY_READ_BYTES = 4 * 1024 * 1024;

/** One read behind frames that were put back: what follows them may be damaged as well. */
export const REPAIR_READ_BYTES = 256 * 1024;

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

/** Frames that are sealed and not yet committed. More of them make frames smaller, and each costs as much as hundreds of records. */
export const FRAMES_IN_FLIGHT = 2;

/** Frames under way to one replica. */
export const FEED_FRAMES_IN_FLIGHT = 4;

/** A replica elsewhere that is busy with frames is asked so often, all the same, something for which it needs no disk. */
export const ROUND_TRIP_EVERY_MS = 1_000;

/** A frame without an answer is sent again after so long: on a link that is up it was lost. */
export const FEED_RESEND_MS = 1_000;
/** And so long after a replica said that it cannot take it, or when nobody could give the frame that it, or a reader, lacks. */
export const FEED_RETRY_MS = 200;
/**
 * Who is asked for frames has so long before another is asked; twice as long after each that was not answered in time, up to
 * the second: a frame may be large, and the link slow.
 */
export const FETCH_TIMEOUT_MS = 1_000;
export const FETCH_TIMEOUT_MS_MAX = 16_000;

/** Frames in memory for replicas that lie behind; further back they are fed from segments. */
export const WINDOW_BYTES_MAX = 16 * 1024 * 1024;

/**
 * What is trimmed is kept for a replica that lacks it, as long as that takes no more of the disk than this in each zone. One
 * that lies further behind, or is away for longer, begins anew with a snapshot.
 */
export const LAGGARD_BYTES_MAX = 1024 * 1024 * 1024;
/** A zone that could not be prepared for that is prepared again after so long. */
export const PREPARE_ZONE_RETRY_MS = 1_000;

/** A block of memory with less room than this left is not begun a frame in. */
export const FRAME_ROOM_BYTES_MIN = 64 * 1024;
/** Blocks kept for reuse. */
export const SPARE_BLOCKS_MAX = 4;

/** Requests to one replica whose answers are waited for; the oldest that carries no frame is given up for another. */
export const ASKED_MAX = 256;

/** Requests that wait for a replica's disk. */
export const REPLICA_TASKS_MAX = 64;

/** By how much a second of one clock may differ from one of another. NTP slews twenty times less. */
export const CLOCK_DRIFT_MAX = 0.025;

/** A journal that is closed waits so long for what was appended; what is not committed by then may be, and nobody is told. */
export const CLOSE_GRACE_MS = 2_000;

/** A reign that has come no nearer to its beginning for so long is given up. */
export const SETTLE_TIMEOUT_MS = 2_000;

/** A replica whose disk has failed is opened again after the first, then after twice as long. */
export const REOPEN_MIN_MS = 50;
export const REOPEN_MAX_MS = 5_000;
/**
 * Bytes that may wait to be written to one peer, beyond which what is sent to it is lost. A packet is looked at before it is
 * counted, so that the largest one can be sent.
 */
export const UNSENT_BYTES_MAX = 16 * FRAME_BYTES_SOFT;

/** Packets are written to a peer together up to about this size: a beat waits behind no more than that. */
export const SENT_TOGETHER_BYTES = 256 * 1024;

/** From the connect on: who has not said by then who it is is gone, here and there. */
export const GREETING_MS_MAX = 5_000;

/** A link tries again after the first, then after twice as long, up to the second. */
export const RECONNECT_MS_MIN = 20;
export const RECONNECT_MS_MAX = 1_000;

/** A link that has asked and heard nothing for so long (at most; half of it at least) begins a new connection. */
export const LINK_SILENT_MS_MAX = 10_000;

/** Writers, and others who look, at one replica. */
export const REPLICA_CONNECTIONS_MAX = 32;

/** Connections that have not said yet who they are; the oldest goes when there is one more. */
export const REPLICA_STRANGERS_MAX = 64;

/** Connections for files at one replica. */
export const FILE_CONNECTIONS_MAX = 8;

/** What is sent of a file at a time, and kept of it in memory here and there. */
export const FILE_PIECE_BYTES = 256 * 1024;

/** Who asks for files, and hears nothing for so long, gives up: a disk has made some megabytes durable by then. */
export const FILE_ANSWER_MS_MAX = 30_000;

/** A connection for files that asks nothing for so long is ended: who asks may have to wait for its own disk meanwhile. */
export const FILES_SILENT_MS_MAX = 60_000;

/** Requests of one connection that have no answer yet; meanwhile no more are read. */
export const REQUESTS_IN_HAND_MAX = 64;

/** A replica ends a connection that has asked nothing for so long (at most; half of it at least). */
export const CONNECTION_SILENT_MS_MAX = 60_000;

/**
 * What is on the disk is read and checked in the background at this pace, unless the opener asks for another; 0: not at all.
 * A disk of an SSD gives a hundred times as much.
 */
export const SCRUB_BYTES_PER_SECOND = 4 * 1024 * 1024;
/** From the end of a round to the next, and from an open to the first. */
export const SCRUB_REST_MS = 10 * 60 * 1_000;
/** One read, and what is checked in one turn of the event loop. */
export const SCRUB_SLICE_BYTES = 128 * 1024;
/** Of the time that a disk may be busy with it, however slow it is. */
export const SCRUB_BUSY_SHARE = 0.1;
/** A frame that was not intact is read again after so long. */
export const SCRUB_RECHECK_MS = 200;
/** So often it is looked whether what is waited for is still wanted, or the disk answers again. */
export const SCRUB_LOOK_MS = 1_000;

/** Frames in a row that are put back in one write, about; as much as an answer brings. */
export const REPAIR_RUN_BYTES = FRAME_BYTES_SOFT;

/** A replica that could not read a block waits so long for others to give it, and then reads again. */
export const UNREADABLE_WAIT_MS = 2_000;

/** Who lacks frames that nobody can give now is given them after so long. */
export const REPAIR_RETRY_MS = 500;
/** Who has not shown yet that it is the journal's replica of its zone is asked again after the first; it has the second to answer. */
export const DESCRIBE_RETRY_MS = 200;
export const DESCRIBE_TIMEOUT_MS = 2_000;

/**
 * Where writers in other processes may come: how often a writer is heard at least, for how long its replicas let no other show
 * anything, and after which silence a standby takes over. A writer that dies is followed after ELECTION_MS, half of the longest
 * back-off (0.15 of it) and about one BEAT_MS: 0.85 s in the mean, and 1.1 s at most where nothing is lost on the way. With
 * 1,000 it would be 1.2 s; with 300 a collection of garbage or a slow disk would be taken for a death. A lease that is no longer
 * than the election has run out by then, and costs nothing.
 */
export const BEAT_MS = 100;
export const LEASE_MS = 600;
export const ELECTION_MS = 700;

/** Of the election time, what a candidate has to win the promises of a majority; for the others counts from then on as heard. */
export const TAKE_OVER_SHARE = 0.6;

/** A journal that waits for its replicas looks again after so long, whatever it has heard. */
export const OPENING_LOOK_MS = 1_000;

/** A replica that is not known to count, or not to, is asked who it is that often. */
export const MEMBERS_LOOK_MS = 100;
