/**
 * The first record of a journal that does not begin with nothing: what was before it is in a snapshot, which has this record
 * executed. JSON behind the kind:
 *
 *     {"revision":48151623,"origin":"import of an etcd"}
 *
 * So a start that does not find that snapshot does not begin with an empty keyspace instead.
 */
import { commandKind } from "./command.ts";

export interface Base {
  /** That of the keyspace in the snapshot. */
  readonly revision: number;
  /** For people. */
  readonly origin: string;
}

/** The position of that record, and of the snapshot. */
export const BASE_POSITION = 1;

export class MissingBaseError extends Error {
  readonly code = "ERR_SNAPSHOT_MISSING";

  constructor({ revision, origin }: Base) {
    super(
      `the journal begins behind a snapshot of revision ${revision} (${origin}), and no zone has a sound copy of that: ` +
        "make the data directory again, or bring the snapshot back",
    );
    this.name = "MissingBaseError";
  }
}

/** Executing it means that the snapshot was not loaded. */
export const BASE = commandKind<Base, null>({
  code: 14,
  name: "base",
  decode: (message) => JSON.parse(message.toString()) as Base,
  encode: (request) => Buffer.from(JSON.stringify(request)),
  execute: (_, request) => {
    throw new MissingBaseError(request);
  },
});
