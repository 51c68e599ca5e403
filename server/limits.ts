/** The server's own bounds. Those of HTTP/2 and gRPC are in transport/limits.ts, those of the journal in journal/. */

/** How many bytes of a journal record stand before the request. */
export const RECORD_KIND_BYTES = 1;

/** How many bytes of a journal record are not the request's, at most: its kind and who asks, by a name. */
export const RECORD_OVERHEAD_BYTES = 64 * 1024;

/** Proposals that wait for their record, or for it to commit; one more is refused with `too many requests`, as etcd does. */
export const PROPOSALS_MAX = 20_000;

/** The bytes of their records; from it on writes are refused like above. One may go beyond it. */
export const PENDING_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Records appended to the journal and not yet committed, and their bytes: two frames that are under way, and the next. What is
 * proposed beyond waits in its partition's queue, so that it stands before nobody else's. One may go beyond the bytes.
 */
export const JOURNAL_PROPOSALS_MAX = 1_024;
export const JOURNAL_BYTES_MAX = 3 * 1024 * 1024;

/**
 * What those records may add to the keyspace when they are executed, which is more than their bytes where puts keep the values
 * that there are. One may go beyond it: the largest by this, which is what a txn may copy as things are when it comes.
 */
export const JOURNAL_GROWTH_BYTES_MAX = 16 * 1024 * 1024;
export const TXN_COPIED_BYTES_MAX = 32 * 1024 * 1024;

/** What waits in the queue of a partition; from it on its writes are refused like above, and those of no other. */
export const PARTITION_QUEUE_PROPOSALS_MAX = 10_000;
export const PARTITION_QUEUE_BYTES_MAX = 32 * 1024 * 1024;

/** The weight of the queue of what has no key: leases, users, alarms, compactions, and the server's own acts. */
export const KEYLESS_WEIGHT = 16;

/** A proposal that has not committed after this long is answered `request timed out`; it may still take effect. */
export const PROPOSAL_TIMEOUT_MS = 7_000;

/** Linearizable reads that wait until it is certain that nobody else writes; one more is refused like writes are. */
export const READS_WAITING_MAX = 20_000;

/** One that has waited so long is refused as a proposal is: etcd's limit for requests, 5 s and two election timeouts. */
export const READ_TIMEOUT_MS = 7_000;

/**
 * How long it must be uncertain whether this server writes before there is no leader: one of etcd's election timeouts, after
 * which a leader that hears nobody says so. And how many more before streams that ask for a leader are ended, as in etcd.
 */
export const LEADERLESS_MS = 1_000;
export const LEADERLESS_STREAMS_LOOKS = 3;

/** A journal that failed of what may pass is opened again after the first, then after twice as long each time. */
export const REOPEN_RETRY_MIN_MS = 100;
export const REOPEN_RETRY_MAX_MS = 2_000;

/** Who still waits for another server to end after so long says that it is a standby: more than it takes when there is none. */
export const STANDBY_TOLD_MS = 1_500;

/** And who still waits for replicas says for which. */
export const WAITING_TOLD_MS = 1_000;

/** A reign that lasted so long was not short: the pauses begin anew after it. */
export const REIGN_STEADY_MS = 10_000;

/**
 * How many bytes the envelope of a request of 16 KiB to 2 MiB adds in etcd before its size is compared with
 * --max-request-bytes. Half of all member ids make it 17 there.
 */
export const REQUEST_ENVELOPE_BYTES = 18;

/** What the transport accepts beyond --max-request-bytes before it refuses the message unread (GR-03). */
export const RECEIVE_OVERHEAD_BYTES = 512 * 1024;

/**
 * A change that looks at very many keys to delete them is done in slices of so many, with other work between them. Nobody sees
 * anything of it before its end, and what is committed after it waits.
 */
export const CHANGE_SLICE_KEYS = 2_000;

/** What a txn or delete tells is found when it is executed, and pinned until it is taken; an answer with more bytes of encoded kvs is not given. */
export const BUILT_RESPONSE_BYTES_MAX = 512 * 1024 * 1024;

/** A response beyond this many bytes is sent in parts by reference; a smaller one is copied at once. */
export const COPIED_RESPONSE_BYTES = 64 * 1024;

/** A `fragment=true` watch response is split from this size on: maximal request plus 512 KiB (WO-07). */
export const FRAGMENT_OVERHEAD_BYTES = 512 * 1024;

/** Watches on one stream; one more is refused in its `created` reply. */
export const WATCHES_PER_STREAM_MAX = 100_000;

/** Messages taken from a stream whose client does not read the replies; one more ends the stream. */
export const UNREAD_REPLIES_MAX = 100_000;

/** Keepalives of one stream that wait for an expired lease to be revoked; one more ends the stream. */
export const KEEP_ALIVES_WAITING_MAX = 10_000;

/** Calls of Lock, Campaign and Observe that are open at a time, whether they wait or not; one more is refused. */
export const CONTENDERS_MAX = 10_000;

/** The lease of a lock or an election whose client brings none, as in etcd. */
export const SESSION_TTL_SECONDS = 60;

/** Length of one slice of watch catch-up, and of one slice of compaction, before other work gets its turn. */
export const SLICE_EVENTS = 2_000;
export const SLICE_COMPACTION_ENTRIES = 2_000;

/** A slice of compaction, or of the moving of what is kept, ends when it has taken so long, which is looked at after so many entries. */
export const SLICE_COMPACTION_MS = 2;
export const STEP_COMPACTION_ENTRIES = 100;

/** How many watches of a stream periodic progress goes over, before other work gets its turn. */
export const SLICE_PROGRESS_WATCHES = 1_000;

/** A range of more keys is read in slices of so many, with other work between them. */
export const RANGE_SLICE_KEYS = 5_000;

/** How many such ranges are read at a time, and how many wait for their turn; one more is refused. */
export const LONG_RANGES_RUNNING_MAX = 8;
export const LONG_RANGES_WAITING_MAX = 1_000;

/** The same for ranges that sort or filter, which do more for each key and keep more of it. */
export const SORTED_RANGE_SLICE_KEYS = 1_000;
export const SORTED_RANGE_SLICE_BYTES = 4 * 1024 * 1024;
export const SORTED_RANGES_RUNNING_MAX = 2;
export const SORTED_RANGES_WAITING_MAX = 1_000;

/** HashKV and Hash are made in slices of so many changes, and not many more bytes of them. */
export const HASH_SLICE_CHANGES = 1_000;
export const HASH_SLICE_BYTES = 4 * 1024 * 1024;

/** What is hashed of a compaction in one turn, with the pause behind it: nobody waits for that, and all else goes first. */
export const COMPACTION_HASH_SLICE_MS = 0.5;
export const COMPACTION_HASH_PAUSE_MS = 3;

/** So many hashes of compactions are remembered, as in etcd. */
export const COMPACTION_HASHES_KEPT = 10;

/** How many hashes are made at a time, and how many wait for their turn; one more is refused. */
export const HASHES_RUNNING_MAX = 1;
export const HASHES_WAITING_MAX = 100;

/** An answer with more leases, or keys of a lease, is made in slices of so many. */
export const LEASE_LIST_SLICE = 1_000;

/** How many such answers are made at a time, and how many wait for their turn; one more is refused. */
export const LEASE_LISTS_RUNNING_MAX = 2;
export const LEASE_LISTS_WAITING_MAX = 1_000;

/**
 * Operations and compares of a whole tree of nested txns, for each one that --max-txn-ops allows in a list. etcd bounds
 * only the lists, whose product is without measure.
 */
export const TXN_TREE_OPS_FACTOR = 8;

/**
 * A txn with writes is executed in one go, and again in every replay. Therefore it is refused when it would look at more
 * keys than so many, as far as it does not delete them. etcd has no such bound.
 */
export const TXN_LOOKS_MAX = 100_000;

/** A txn without writes that looks at more keys than so many is read in slices of so many, and not many more bytes. */
export const SHORT_TXN_LOOKS = 5_000;
export const TXN_SLICE_LOOKS = 1_000;
export const TXN_SLICE_BYTES = 4 * 1024 * 1024;

/** How many such txns are read at a time, and how many wait for their turn; one more is refused. */
export const LONG_TXNS_RUNNING_MAX = 2;
export const LONG_TXNS_WAITING_MAX = 1_000;

/** One RangeStream message holds at most so many keys, and no further one beyond so many bytes. */
export const RANGE_STREAM_CHUNK_BYTES = 256 * 1024;
export const RANGE_STREAM_CHUNK_KEYS = 1_000;

/** The first has so many, each next one twice as many: as etcd begins. */
export const RANGE_STREAM_FIRST_KEYS = 10;

/** How many RangeStreams may be open that sort, and so keep all their keys while the client takes them; one more is refused. */
export const SORTED_STREAMS_MAX = 16;

/** The blobs of Maintenance.Snapshot, as large as etcd's, and how many keys and bytes of them one slice looks at. */
export const SNAPSHOT_BLOB_BYTES = 32 * 1024;
export const SNAPSHOT_SLICE_LOOKS = 500;
export const SNAPSHOT_SLICE_BYTES = 128 * 1024;

/** How many such snapshots are sent at a time; one more is refused. Each keeps compaction from removing what it needs. */
export const SNAPSHOTS_OPEN_MAX = 2;

/** LS-10: how often expiry is looked at, and how many leases one look may revoke (1,000 a second). */
export const LEASE_CHECK_MS = 500;
export const LEASE_REVOKES_PER_CHECK = 500;

/**
 * When this long has passed since the clock was last looked at, which happens every LEASE_CHECK_MS, the server stood still
 * and heard nobody: that time counts for no lease, and for no proposal.
 */
export const STALL_MS = LEASE_CHECK_MS + 250;

/** When a revocation that came to nothing is proposed again, at the earliest; as etcd does. */
export const LEASE_REVOKE_RETRY_MS = 3_000;

/** LS-01: 1.5 election timeouts of etcd's default second, rounded up. */
export const LEASE_TTL_MIN_SECONDS = 2;
/** LS-02. */
export const LEASE_TTL_MAX_SECONDS = 9_000_000_000;

/** A replay lets other work have its turn after so long; it looks at the clock after so many records. */
export const REPLAY_TURN_MS = 5;
export const REPLAY_PART_RECORDS = 64;

/** How often a start looks whether what it has executed fits into memory: a look takes a tenth of a millisecond. */
export const REPLAY_MEMORY_MS = 25;

/** How long running calls may finish on SIGTERM. */
export const SHUTDOWN_GRACE_MS = 3_000;

/** Tokens of authenticated users; one more ends the token that was not used longest. */
export const AUTH_TOKENS_MAX = 100_000;

/** JSON web tokens whose signature need not be looked at again; with one more, the one that is known longest is forgotten. */
export const JWT_KNOWN_MAX = 10_000;

/** What a configuration file may have of bytes. */
export const CONFIG_FILE_BYTES_MAX = 1024 * 1024;

/** What a partition map may have of entries, fewer than there may be partitions, and of bytes. */
export const PARTITION_ENTRIES_MAX = 1_000;
export const PARTITION_MAP_BYTES_MAX = 1024 * 1024;

/** The smallest quota of a partition, of which some is taken before there is a key. */
export const PARTITION_QUOTA_BYTES_MIN = 64 * 1024;

/** A partition that has reached its quota has room again when it has no more than this share, and so often it is looked. */
export const QUOTA_ROOM_SHARE = 0.9;
export const QUOTA_LOOK_MS = 1_000;

/** How often it is looked whether what is being done with a password is still wanted. */
export const PASSWORD_LOOK_MS = 1_000;

/** A longer password is refused, as etcd does. */
export const PASSWORD_BYTES_MAX = 72;

/** A user or role with a longer name is refused. etcd ends its process over one: its database has no longer keys. */
export const AUTH_NAME_BYTES_MAX = 32_768;

/**
 * Passwords that wait to be hashed or checked, one at a time: of all users and of one. With one more, the last of the
 * connection that has most of them is refused.
 */
export const PASSWORDS_WAITING_MAX = 1_000;
export const PASSWORDS_WAITING_PER_USER_MAX = 100;

/**
 * Descriptors that clients' connections leave alone: those open at a start (about 35), the journal's, those of the metrics'
 * connections, and of what is opened for a moment.
 */
export const DESCRIPTORS_RESERVED = 64;

/** Connections that clients may have however few descriptors there are. */
export const CLIENT_CONNECTIONS_MIN = 16;

/** Connections of one address of --listen-metrics-urls; one more is closed at once. */
export const METRICS_CONNECTIONS_MAX = 16;

/** How often the journal's disk is looked at. */
export const DISK_CHECK_MS = 5_000;

/** There is little room on it below this share of its size, or this many bytes, whichever is less. */
export const DISK_LOW_SHARE = 0.1;
export const DISK_LOW_BYTES = 10_000_000_000;

/** And there is room again above so many times as much. */
export const DISK_ROOM_AGAIN_FACTOR = 1.2;

/** What may be written for a snapshot for each byte that was written to the journal since the last one was begun. */
export const SNAPSHOT_SHARE_MAX = 1.5;

/** What a snapshot gives in one turn, the pause behind it, how often it looks at the clock meanwhile, and the memory that it begins a turn with. */
export const SNAPSHOT_SLICE_MS = 0.5;
export const SNAPSHOT_PAUSE_MS = 3;
export const SNAPSHOT_STEP_LOOKS = 64;
export const SNAPSHOT_PIECE_BYTES_MIN = 1_024;

/** A self-check looks at the clock after so many records. */
export const SELF_CHECK_SLICE_RECORDS = 32;

/** After one that failed the next is tried after the first, then after twice as long each time. */
export const SNAPSHOT_RETRY_MIN_MS = 10_000;
export const SNAPSHOT_RETRY_MAX_MS = 600_000;

/** A zone elsewhere that could not be given one is given it again after the first, then after twice as long each time. */
export const COPY_RETRY_MIN_MS = 1_000;
export const COPY_RETRY_MAX_MS = 60_000;

/** A start that hears of snapshots in no majority of the zones looks so often, and so long after the last look. */
export const LOOKS_MAX = 3;
export const LOOK_AGAIN_MS = 1_000;

/** A start takes so many versions of a snapshot between two looks at the clock. */
export const SNAPSHOT_LOAD_VERSIONS = 1_000;

/** How long a profile is made when nobody says how long, and at most. */
export const PROFILE_SECONDS_DEFAULT = 30;
export const PROFILE_SECONDS_MAX = 300;

/** A request of the JSON gateway may have so many times the bytes of the largest message: base64 takes a third, names the rest. */
export const GATEWAY_BODY_FACTOR = 2;

/** Calls through the gateway at a time, streams among them; one more is refused. */
export const GATEWAY_CALLS_MAX = 10_000;

/** Requests of the gateway of which not all has come; beyond it more are refused. */
export const GATEWAY_HELD_BYTES_MAX = 256 * 1024 * 1024;

/** Long answers of the gateway that clients have not taken; beyond it further ones are dropped, and short ones are given. */
export const GATEWAY_OWED_BYTES_MAX = 1024 * 1024 * 1024;

/** What a stream of the gateway may have waiting before it is not writable, and what of it may be copies before it is ended. */
export const GATEWAY_QUEUED_BYTES_MAX = 64 * 1024;
export const GATEWAY_COPIED_BYTES_MAX = 16 * 1024 * 1024;

/** Requests of the gateway are read for so long in a turn, all together. */
export const GATEWAY_READ_TURN_MS = 2;

/** Pieces of JSON that one answer makes in a turn. */
export const GATEWAY_PIECES_PER_TURN = 8;

/** A client that takes nothing of an answer for so long loses its connection. */
export const GATEWAY_STALL_MS = 60_000;
