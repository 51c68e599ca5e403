/** Every gRPC method the server answers: all of etcd's interface. */
import type { Clock, Turns } from "../clock.ts";
import type { Config } from "../config/config.ts";
import { COMMAND_KINDS } from "../engine/command-table.ts";
import type { Engine } from "../engine/engine.ts";
import type { EventLog } from "../engine/event-log.ts";
import { FRAGMENT_OVERHEAD_BYTES } from "../limits.ts";
import type { Hasher } from "../session/hasher.ts";
import type { Tokens } from "../session/tokens.ts";
import { Passwords } from "../session/passwords.ts";
import type { Method } from "../transport/service.ts";
import { AuthService } from "./auth.ts";
import { Callers } from "./callers.ts";
import { clusterMethods } from "./cluster.ts";
import { electionMethods } from "./concurrency/election.ts";
import { lockMethods } from "./concurrency/lock.ts";
import { OwnServices } from "./concurrency/own-calls.ts";
import { WaitingCalls } from "./concurrency/waiting-calls.ts";
import type { Headers } from "./header.ts";
import { gatedMethods } from "./gated-methods.ts";
import { healthMethods } from "./health.ts";
import { KvService } from "./kv/kv.ts";
import { LeaseService } from "./lease.ts";
import { MaintenanceService } from "./maintenance.ts";
import { SlowCalls } from "./slow-calls.ts";
import { WatchService } from "./watch.ts";

export interface Services {
  readonly methods: readonly Method[];
  readonly watch: WatchService;
  readonly maintenance: MaintenanceService;
}

/** How users come in. */
export interface Sessions {
  readonly tokens: Tokens;
  readonly hasher: Hasher;
}

export function createServices(
  engine: Engine,
  headers: Headers,
  { clock, turns }: { clock: Clock; turns: Turns },
  config: Config,
  log: EventLog,
  { tokens, hasher }: Sessions,
): Services {
  const { maxTxnOps, maxRequestBytes, name, advertisePeerUrls, advertiseClientUrls } = config;
  const {
    keyspace,
    applier,
    proposer,
    compactor,
    catchUp,
    guard,
    partitionGuard,
    lessor,
    counters,
    reads,
    leadership,
  } = engine;
  const callers = new Callers(keyspace, tokens, log);
  const passwords = new Passwords({
    hasher,
    clock,
    cost: config.bcryptCost,
    onFailed: (error) => log.warn({ error }, "a password could not be worked on"),
  });
  const slowCalls = new SlowCalls(clock, log, config.warningRequestMs);
  const shared = {
    keyspace,
    applier,
    proposer,
    compactor,
    catchUp,
    guard,
    partitionGuard,
    lessor,
    counters,
    reads,
    leadership,
    callers,
    headers,
    clock,
    turns,
    slowCalls,
    log,
  };
  const watch = new WatchService({
    ...shared,
    progressIntervalMs: config.watchProgressNotifyIntervalMs,
    fragmentBytes: maxRequestBytes + FRAGMENT_OVERHEAD_BYTES,
  });
  const member = { name, peerUrls: advertisePeerUrls, clientUrls: advertiseClientUrls };
  const maintenance = new MaintenanceService({ ...shared, member });
  const services: Method[] = [
    ...new KvService({ ...shared, txnOpsMax: maxTxnOps, requestBytesMax: maxRequestBytes }).methods,
    ...watch.methods,
    ...new LeaseService(shared).methods,
    ...maintenance.methods,
    ...clusterMethods(headers, callers, reads, name, advertisePeerUrls, advertiseClientUrls),
    ...new AuthService({ ...shared, tokens, passwords, requestBytesMax: maxRequestBytes }).methods,
  ];
  // What waits is not slow.
  const own = new OwnServices(services);
  const waiting = new WaitingCalls(log);
  const served = [...services, ...lockMethods(own, waiting), ...electionMethods(own, waiting, leadership)];
  const health = healthMethods(engine.start);
  const measured = served.map((method) => (isMeasured(method) ? slowCalls.measured(method) : method));
  const others = gatedMethods(measured, engine.start, engine.leadership);
  return { methods: [...others, ...health], watch, maintenance };
}

/** All but KV, which tells of its slow reads itself, and what is told of when its command has been executed. */
function isMeasured({ path }: Method): boolean {
  return !path.startsWith("/etcdserverpb.KV/") && COMMAND_KINDS.every(({ method }) => method !== path);
}
