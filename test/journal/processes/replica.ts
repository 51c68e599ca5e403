/* One zone's replica as a process of its own: `replica.ts ZONE DIRECTORY PORT`; prints the port that it listens on. */
import { ReplicaService } from "../../../journal/replica-service.ts";
import { systemClock } from "../../../server/clock.ts";

const [zone, directory, port] = process.argv.slice(2);
const nothing = (): void => undefined;
const service = await ReplicaService.open({
  zone,
  directory,
  host: "127.0.0.1",
  port: Number(port),
  tls: null,
  segmentBytes: 256 * 1024,
  clock: systemClock,
  listener: {
    onConnected: nothing,
    onDisconnected: nothing,
    onRefused: nothing,
    onMade: nothing,
    onRot: nothing,
    onAppended: nothing,
    onTrouble: (trouble) => process.stderr.write(`${trouble?.message ?? "well again"}\n`),
  },
});
process.stdout.write(`${service.port}\n`);
process.once("SIGTERM", () => void service.close());
