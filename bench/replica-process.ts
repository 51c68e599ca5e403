/** A replica of a journal as a process of its own, as an operator runs it, on the loopback interface. */

import { join } from "node:path";

import { ServerProcess } from "./server-process.ts";

const MAIN = join(import.meta.dirname, "../server/main.ts");
const LISTENS = /"address":"tcp:\/\/127\.0\.0\.1:(\d+)".*the replica listens/;

export interface ReplicaProcess {
  readonly server: ServerProcess;
  readonly port: number;
}

export async function startReplica(zone: string, dataDir: string): Promise<ReplicaProcess> {
  const flags = ["--zone", zone, "--data-dir", dataDir, "--listen", "tcp://127.0.0.1:0"];
  const { server, line } = await ServerProcess.start([MAIN, "replica", ...flags], (text) => LISTENS.test(text));
  return { server, port: Number(LISTENS.exec(line)?.[1]) };
}
