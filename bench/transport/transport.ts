/*
 * Question: how many unary calls a second does our gRPC server answer, and what does one cost it in processor time,
 * beside the gRPC servers that Node offers otherwise? 10 connections with 50 calls in flight each; requests of 35 bytes,
 * replies of 372, nothing behind the server but a constant.
 */

import { join } from "node:path";

import grpcJsPackage from "@grpc/grpc-js/package.json" with { type: "json" };

import { runClosedLoop } from "../client/closed-loop.ts";
import { LeanClient } from "../client/lean-client.ts";
import type { BenchOptions } from "../options.ts";
import { formatCount, formatNumber, formatSpread, type SuiteReport } from "../report.ts";
import { cpuSeconds, ServerProcess } from "../server-process.ts";
import { median, spread } from "../statistics.ts";
import { RANGE_PATH, REQUEST } from "./answer.ts";

const CALLS_MAX = 50_000_000;

/** What one round found. */
interface Round {
  readonly callsPerSecond: number;
  readonly cpuMicrosecondsPerCall: number;
}

interface Contender {
  readonly name: string;
  readonly server: ServerProcess;
  readonly clients: readonly LeanClient[];
  readonly rounds: Round[];
}

const SERVERS: readonly (readonly [name: string, file: string])[] = [
  ["Plinth", "serve-plinth.ts"],
  ["@grpc/grpc-js", "serve-grpc-js.ts"],
  ["node:http2", "serve-http2.ts"],
];

export async function benchTransport(options: BenchOptions): Promise<SuiteReport> {
  const [connections, inFlight] = options.small ? [2, 10] : [10, 50];
  const contenders: Contender[] = [];
  try {
    for (const [name, file] of SERVERS) contenders.push(await startContender(name, file, connections));
    for (let round = 0; round < options.rounds; round++) {
      // Every other round the other way about: what the machine does over time falls on all of them.
      for (const contender of round % 2 === 0 ? contenders : contenders.toReversed()) {
        contender.rounds.push(await runRound(contender, inFlight, options));
      }
    }
  } finally {
    for (const { clients, server } of contenders) {
      for (const client of clients) client.destroy();
      await server.stop();
    }
  }
  return report(contenders, connections, inFlight);
}

async function startContender(name: string, file: string, connections: number): Promise<Contender> {
  const script = join(import.meta.dirname, file);
  const { server, line } = await ServerProcess.start([script], (text) => text.startsWith("listening "));
  const clients: LeanClient[] = [];
  const url = `http://127.0.0.1:${line.split(" ")[1]}`;
  for (let i = 0; i < connections; i++) clients.push(await LeanClient.connect(url));
  return { name, server, clients, rounds: [] };
}

async function runRound(contender: Contender, inFlight: number, options: BenchOptions): Promise<Round> {
  let cpu = 0;
  const load = { clients: contender.clients, inFlight, path: RANGE_PATH, request: () => REQUEST };
  const { calls, seconds } = await runClosedLoop(load, {
    warmUpSeconds: options.warmUpSeconds,
    seconds: options.seconds,
    callsMax: CALLS_MAX,
    onMeasuring: (begins) => {
      cpu = begins ? cpuSeconds(contender.server.pid) : cpuSeconds(contender.server.pid) - cpu;
    },
  });
  return { callsPerSecond: calls / seconds, cpuMicrosecondsPerCall: (cpu / calls) * 1e6 };
}

function report(contenders: readonly Contender[], connections: number, inFlight: number): SuiteReport {
  const rates = (contender: Contender): number[] => contender.rounds.map((round) => round.callsPerSecond);
  const [ours, grpcJs] = contenders;
  const rows = contenders.map((contender) => {
    const costs = contender.rounds.map((round) => round.cpuMicrosecondsPerCall);
    return [
      contender.name,
      formatCount(median(rates(contender))),
      formatSpread(spread(rates(contender))),
      formatNumber(median(costs), 2),
      formatSpread(spread(costs)),
      `${formatNumber(median(rates(contender).map((rate, round) => rate / rates(grpcJs)[round])), 1)}`,
    ];
  });
  const ratio = median(rates(ours).map((rate, round) => rate / rates(grpcJs)[round]));
  const cost = median(ours.rounds.map((round) => round.cpuMicrosecondsPerCall));
  return {
    name: "transport",
    question:
      "How many unary calls a second does our gRPC server answer, and what does one cost it in processor time, beside " +
      `the gRPC servers that Node offers otherwise? ${connections} connections with ${inFlight} calls in flight each; ` +
      "requests of 35 bytes, replies of 372.",
    versions: [`@grpc/grpc-js ${grpcJsPackage.version}`],
    columns: ["server", "calls/s", "spread", "CPU µs/call", "spread", "× grpc-js"],
    rows,
    notes: [
      `goal: at least 15 × the rate of @grpc/grpc-js: ${formatNumber(ratio, 1)} ×, ${ratio >= 15 ? "met" : "not met"}`,
      `goal: at most 0.80 µs of processor time a call: ${formatNumber(cost, 2)} µs, ${cost <= 0.8 ? "met" : "not met"}`,
      "where the server costs less than the generator (about 0.5 µs a call), the rate is the generator's",
    ],
  };
}
