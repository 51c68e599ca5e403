/** The limits of the codecs. */

/**
 * How deep messages and groups may be nested in one message. A nested Txn takes two levels (RequestOp and TxnRequest).
 * Go's library allows 10,000; no client comes near either, and the decoders are recursive.
 */
export const DEPTH_MAX = 100;

/** What a Writer begins with: room for the usual response. */
export const WRITER_BYTES = 64 * 1024;

/** A Writer that grew beyond this for one long message goes back to `WRITER_BYTES` at the next reset. */
export const WRITER_KEPT_BYTES_MAX = 4 * 1024 * 1024;
