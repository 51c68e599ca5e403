/** Writes a journal of puts as a server leaves it, in three zones. */

import { join } from "node:path";

import type { JournalListener } from "../../journal/journal.ts";
import { openZonesJournal, type ZoneDirectory } from "../../journal/zones-journal.ts";
import { emptyPutRequest } from "../../proto/requests.ts";
import { systemTime } from "../../server/clock.ts";
import { PUT } from "../../server/engine/kv-commands.ts";
import { recordOf } from "../../server/engine/record.ts";
import { hastyDisk } from "../journal/disks.ts";

export const KEY_BYTES = 60;
export const VALUE_BYTES = 300;

const PREFIX = "/registry/pods/namespace-0000/deployment-";
/** Keys that are put one after the other do not lie so. A prime. */
const STRIDE = 611_953;

/** Puts of so many keys by turns. */
export interface Puts {
  readonly records: number;
  readonly keys: number;
  /** Many where a server is busy, one where each client waits for the one before. */
  readonly recordsPerFrame: number;
}

export function zonesIn(directory: string): ZoneDirectory[] {
  return ["a", "b", "c"].map((zone) => ({ zone, directory: join(directory, `zone-${zone}`) }));
}

export async function makeJournal(directory: string, { records, keys, recordsPerFrame }: Puts): Promise<void> {
  const written = Promise.withResolvers<void>();
  const value = Buffer.alloc(VALUE_BYTES, 0x76);
  const digits = KEY_BYTES - PREFIX.length;
  const appendFrame = (): void => {
    for (let i = 0; i < recordsPerFrame && journal.appended < records; i++) {
      const number = (journal.appended * STRIDE) % keys;
      const key = Buffer.from(PREFIX + `${number}`.padStart(digits, "0"));
      journal.append(recordOf(PUT, PUT.encode({ ...emptyPutRequest(), key, value })));
    }
  };
  const listener: JournalListener = {
    onCommitted(committed) {
      if (committed === records) written.resolve();
      else if (committed === journal.appended) appendFrame();
    },
    onFailed: written.reject,
  };
  const zones = zonesIn(directory);
  const journal = await openZonesJournal({ ...systemTime, zones, disk: hastyDisk(), listener });
  appendFrame();
  await written.promise;
  await journal.close();
}
