/** A shelf on which no snapshot comes to its end: beginning one waits until it is let go, and fails then. */
import type { SnapshotShelf, SnapshotWriting, StoredSnapshot } from "../../server/engine/snapshots.ts";

export class FailingShelf implements SnapshotShelf {
  readonly #failed = Promise.withResolvers<SnapshotWriting>();

  newest(): Promise<StoredSnapshot | null> {
    return Promise.resolve(null);
  }

  begin(): Promise<SnapshotWriting> {
    return this.#failed.promise;
  }

  tidyUp(): Promise<number> {
    return Promise.resolve(0);
  }

  fail(reason: Error): void {
    this.#failed.reject(reason);
  }
}
