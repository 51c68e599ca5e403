/** The limits of the JSON codec. */

/**
 * How deep objects and arrays may be nested in one text, as in Go's encoding/json. Those of a message may be as deep as the
 * message (`DEPTH_MAX`); what is deeper can only be what is not known and skipped.
 */
export const JSON_DEPTH_MAX = 10_000;

/**
 * How many names of fields and elements of lists one text may have, and of what is not known everything counts. Without it a
 * long text is long work. A txn of 10,000 operations has fewer.
 */
export const JSON_VALUES_MAX = 200_000;

/** What a step of reading has of them, or of bytes whose grammar is checked: some 0.1 ms. */
export const JSON_VALUES_PER_STEP = 100;
export const JSON_BYTES_PER_STEP = 16 * 1024;

/** How much JSON is made of a message at a time, about. */
export const JSON_PIECE_CHARACTERS = 32 * 1024;

/** Bytes of a value that become base64 at a time: a multiple of three, so that the pieces fit one another. */
export const BASE64_PIECE_BYTES = 24 * 1024;

/** How much is copied at a time of an answer that comes in parts. */
export const PARTS_WINDOW_BYTES = 64 * 1024;
