/** A replica's server that has no replica: says at once of each frame, once its checksum was looked at, that it is durable. */
import { ReplicaServer } from "../../journal/quorum/replica-server.ts";
import { systemClock } from "../../server/clock.ts";
import { IDENTITY, isIntact } from "./carried-frame.ts";

const server = await ReplicaServer.listen({
  zone: process.argv[2],
  host: "127.0.0.1",
  port: 0,
  tls: null,
  identity: () => IDENTITY,
  isIntact,
  clock: systemClock,
  replica: {
    handle: ({ seq }, answer) => answer({ kind: "durable", seq, index: seq, isGranted: false }),
  },
  listener: {
    onConnected: () => undefined,
    onDisconnected: (_, _writer, reason) => console.error(reason),
    onRefused: (_, reason) => console.error(reason),
  },
});
console.log(`listening ${server.port}`);
