/** Counts the looks at keys and at changes of the log, which is what reading costs, whatever machine it runs on. */
import { vi } from "vitest";
import { Versions } from "../../../partitions/state/versions.ts";
import { ChangeLog } from "../../../partitions/store/change-log.ts";

export class Looks {
  readonly #keys = vi.spyOn(Versions.prototype, "liveAt");
  readonly #boundedKeys = vi.spyOn(Versions.prototype, "liveWithin");
  readonly #changes = vi.spyOn(ChangeLog.prototype, "at");

  /** How many looks something takes. */
  of(act: () => void): number {
    this.#keys.mockClear();
    this.#boundedKeys.mockClear();
    this.#changes.mockClear();
    act();
    return [this.#keys, this.#boundedKeys, this.#changes].reduce((sum, { mock }) => sum + mock.calls.length, 0);
  }
}
