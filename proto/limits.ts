/** The limits of the codecs. */

/**
 * How deep messages and groups may be nested in one message. A nested Txn takes two levels (RequestOp and TxnRequest).
 * Go's library allows 10,000; no client comes near either, and the decoders are recursive.
 */
export const DEPTH_MAX = 100;

/**
 * How many fields one message may have, those of embedded messages and the elements of packed lists included. The smallest
 * take a byte or two, so without it a long message is long work. A txn of 100,000 operations has fewer.
 */
export const FIELDS_MAX = 1_000_000;

/** The same for answers, which clients get from a server that they trust: as good as no limit. A list may be long. */
export const RESPONSE_FIELDS_MAX = 2 ** 30;

/** The same for requests that are not hot, whose codec takes longer for each. None has more than ten fields and a list of URLs. */
export const RARE_FIELDS_MAX = 1_000;

/** What a Writer begins with: room for the usual response. */
export const WRITER_BYTES = 64 * 1024;

/** A Writer that grew beyond this for one long message goes back to `WRITER_BYTES` at the next reset. */
export const WRITER_KEPT_BYTES_MAX = 4 * 1024 * 1024;
