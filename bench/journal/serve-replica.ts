/** A replica of the journal in a process of its own. */

import { replicaOptions, IDENTITY, isIntact } from "./open-journal.ts";
import { ZONES } from "./writing.ts";
import { ReplicaServer } from "../../journal/quorum/replica-server.ts";
import { nodeDisk } from "../../journal/replica/disk.ts";
import { ReplicaHost } from "../../journal/replica/replica-host.ts";
import { systemClock } from "../../server/clock.ts";

const [directory, number] = process.argv.slice(2);
const quiet = (): void => {};
const replica = await ReplicaHost.open({
  ...replicaOptions(directory, Number(number), nodeDisk),
  listener: { onUp: quiet, onGone: quiet, onStalled: quiet, onReleased: quiet, onPromised: quiet, onRotten: quiet },
});
const server = await ReplicaServer.listen({
  zone: ZONES[Number(number)],
  host: "127.0.0.1",
  port: 0,
  tls: null,
  identity: () => IDENTITY,
  isIntact,
  clock: systemClock,
  replica,
  listener: { onConnected: quiet, onDisconnected: quiet, onRefused: (_, reason) => console.error(reason) },
});
console.log(`listening ${server.port}`);
