/** The journal on replicas that are reached over TCP, and on some that are and some that are not. */
import { verifyDirectory } from "../../journal/replica/verify-directory.ts";
import type { JournalHarness } from "./journal-contract.ts";
import { journalContract } from "./journal-contract.ts";
import { refuseNextFrame, TcpZones, untilPassed } from "./tcp-zones.ts";

function harnessOn(served: readonly string[]): () => Promise<JournalHarness> {
  return async () => {
    const zones = await TcpZones.start(1, served);
    const store = await zones.open();
    return {
      open: (listener) => untilPassed(() => store.takeOver(listener)),
      failNextWrite() {
        for (const zone of ["b", "c"]) refuseNextFrame(zones, zone);
      },
      async dispose() {
        await zones.close();
        for (const zone of ["a", "b", "c"]) await verifyDirectory(zones.disk, `/${zone}`);
      },
    };
  };
}

journalContract("a journal on three replicas over TCP", harnessOn(["a", "b", "c"]));
journalContract("a journal on a directory and two replicas over TCP", harnessOn(["b", "c"]));
