/*
 * Question: how many frames a second can a writer have at two of three replicas in other processes, and what does a frame
 * cost it and them in processor time, when nobody writes to a disk? F frames are in flight: the next is sent when two have
 * answered for one.
 *
 *     node bench/journal/tcp.ts [--seconds 2] [--bytes 400] [--records 64,512] [--in-flight 1,2,4]
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { TcpLink } from "../../journal/quorum/tcp-link.ts";
import { systemClock } from "../../server/clock.ts";
import { cpuSeconds, ServerProcess } from "../server-process.ts";
import { IDENTITY, isIntact, makeFrame } from "./carried-frame.ts";

const ZONES = ["a", "b", "c"];
const QUORUM = 2;
const LEASE_MS = 1000;

export interface TcpBenchOptions {
  readonly recordsPerFrame: number;
  readonly recordBytes: number;
  readonly framesInFlight: number;
  readonly seconds: number;
}

export interface TcpBenchResult {
  readonly framesPerSecond: number;
  readonly recordsPerSecond: number;
  readonly megabytesPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly writerCpuMicrosecondsPerFrame: number;
  /** Of one replica. */
  readonly replicaCpuMicrosecondsPerFrame: number;
}

export async function benchTcp(options: TcpBenchOptions): Promise<TcpBenchResult> {
  const servers: ServerProcess[] = [];
  const links: TcpLink[] = [];
  try {
    const ports: number[] = [];
    for (const zone of ZONES) {
      const script = join(import.meta.dirname, "answer-over-tcp.ts");
      const { server, line } = await ServerProcess.start([script, zone], (text) => text.startsWith("listening "));
      servers.push(server);
      ports.push(Number(line.split(" ")[1]));
    }
    return await run(options, servers, ports, links);
  } finally {
    for (const link of links) link.close();
    for (const server of servers) await server.stop();
  }
}

async function run(
  { recordsPerFrame, recordBytes, framesInFlight, seconds }: TcpBenchOptions,
  servers: readonly ServerProcess[],
  ports: readonly number[],
  links: TcpLink[],
): Promise<TcpBenchResult> {
  const frame = makeFrame(recordsPerFrame, recordBytes);
  /** Of each frame without a quorum how many have answered, and of each when it was sent. */
  const answers = new Map<number, number>();
  const sentAt = new Map<number, number>();
  const latencies: number[] = [];
  const up = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  let upCount = 0;
  let sent = 0;
  let isMeasuring = false;
  let untilMs = Infinity;

  function send(): void {
    const seq = ++sent;
    answers.set(seq, 0);
    sentAt.set(seq, performance.now());
    for (const link of links)
      link.send({ kind: "append", seq, epoch: 1, attempt: 0, committed: seq - 1, leaseMs: LEASE_MS, frame });
  }

  function onAnswer(seq: number): void {
    const count = answers.get(seq);
    if (count === undefined) return;
    answers.set(seq, count + 1);
    if (count + 1 < QUORUM) return;
    const nowMs = performance.now();
    if (isMeasuring) latencies.push(nowMs - (sentAt.get(seq) ?? nowMs));
    answers.delete(seq);
    sentAt.delete(seq);
    if (nowMs < untilMs) send();
    else if (answers.size === 0) end.resolve();
  }

  ZONES.forEach((zone, i) => {
    const link = new TcpLink({
      zone,
      address: { isSecure: false, host: "127.0.0.1", port: ports[i] },
      tls: null,
      identity: () => IDENTITY,
      writer: 1,
      isIntact,
      clock: systemClock,
      listener: {
        onAnswer: (answer) => onAnswer(answer.seq),
        onReleased: () => undefined,
        onGone: () => undefined,
        onPromised: () => undefined,
        onRotten: () => undefined,
        onStalled: () => undefined,
        onUp(isUp, reason) {
          if (!isUp) end.reject(reason);
          else if (++upCount === ZONES.length) up.resolve();
        },
      },
    });
    links.push(link);
  });
  await up.promise;

  for (let i = 0; i < framesInFlight; i++) send();
  await new Promise((resolve) => setTimeout(resolve, seconds * 200));
  const replicaCpu = (): number => servers.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0);
  const [cpu, replicaCpuBefore, startMs] = [process.cpuUsage(), replicaCpu(), performance.now()];
  isMeasuring = true;
  untilMs = startMs + seconds * 1000;
  await end.promise;
  const elapsedSeconds = (performance.now() - startMs) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const replicaSeconds = replicaCpu() - replicaCpuBefore;

  const frames = latencies.length;
  const sorted = Float64Array.from(latencies).toSorted();
  const quantile = (share: number): number => sorted[Math.min(frames - 1, Math.floor(frames * share))];
  return {
    framesPerSecond: frames / elapsedSeconds,
    recordsPerSecond: (frames * recordsPerFrame) / elapsedSeconds,
    megabytesPerSecond: (frames * frame.length) / elapsedSeconds / 1e6,
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
    writerCpuMicrosecondsPerFrame: (user + system) / frames,
    replicaCpuMicrosecondsPerFrame: (replicaSeconds * 1e6) / ZONES.length / frames,
  };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "2" },
      bytes: { type: "string", default: "400" },
      records: { type: "string", default: "64,512" },
      "in-flight": { type: "string", default: "1,2,4" },
    },
  });
  for (const recordsPerFrame of values.records.split(",").map(Number)) {
    for (const framesInFlight of values["in-flight"].split(",").map(Number)) {
      const result = await benchTcp({
        recordsPerFrame,
        recordBytes: Number(values.bytes),
        framesInFlight,
        seconds: Number(values.seconds),
      });
      console.log(
        `${recordsPerFrame} records a frame, F=${framesInFlight}: ${Math.round(result.framesPerSecond)} frames/s`,
        `${Math.round(result.recordsPerSecond)} records/s ${Math.round(result.megabytesPerSecond)} MB/s`,
        `p50 ${result.p50Ms.toFixed(3)} ms p99 ${result.p99Ms.toFixed(3)} ms`,
        `CPU a frame ${Math.round(result.writerCpuMicrosecondsPerFrame)} us here,`,
        `${Math.round(result.replicaCpuMicrosecondsPerFrame)} us at each replica`,
      );
    }
  }
}
