/** Every gRPC method the server answers: the services, and Unimplemented for the rest of etcd's interface. */
import { AuthTokens } from "../session/auth-tokens.ts";
import type { Clock, Turns } from "../clock.ts";
import type { Config } from "../config/config.ts";
import type { Engine } from "../engine/engine.ts";
import { FRAGMENT_OVERHEAD_BYTES } from "../limits.ts";
import { Passwords } from "../session/passwords.ts";
import type { Method } from "../transport/service.ts";
import { AuthService } from "./auth.ts";
import { Callers } from "./callers.ts";
import { clusterMethods } from "./cluster.ts";
import type { Headers } from "./header.ts";
import { healthMethods } from "./health.ts";
import { KvService } from "./kv/kv.ts";
import { LeaseService } from "./lease.ts";
import { MaintenanceService } from "./maintenance.ts";
import { refuseWhileStarting } from "./refuse-while-starting.ts";
import { unimplementedMethods } from "./unimplemented.ts";
import { WatchService } from "./watch.ts";

export interface Services {
  readonly methods: readonly Method[];
  readonly watch: WatchService;
}

export function createServices(
  engine: Engine,
  headers: Headers,
  { clock, turns }: { clock: Clock; turns: Turns },
  config: Config,
): Services {
  const { maxTxnOps, maxRequestBytes, name, advertisePeerUrls, advertiseClientUrls } = config;
  const { keyspace, applier, proposer, compactor, catchUp, guard, lessor, counters } = engine;
  const tokens = new AuthTokens(keyspace.auth, clock, config.authTokenTtlMs);
  const callers = new Callers(keyspace, tokens);
  const shared = {
    keyspace,
    applier,
    proposer,
    compactor,
    catchUp,
    guard,
    lessor,
    counters,
    callers,
    headers,
    clock,
    turns,
  };
  const watch = new WatchService({
    ...shared,
    progressIntervalMs: config.watchProgressNotifyIntervalMs,
    fragmentBytes: maxRequestBytes + FRAGMENT_OVERHEAD_BYTES,
  });
  const served: Method[] = [
    ...new KvService({ ...shared, txnOpsMax: maxTxnOps, requestBytesMax: maxRequestBytes }).methods,
    ...watch.methods,
    ...new LeaseService(shared).methods,
    ...new MaintenanceService(shared).methods,
    ...clusterMethods(headers, callers, name, advertisePeerUrls, advertiseClientUrls),
    ...new AuthService({ ...shared, tokens, passwords: new Passwords(), requestBytesMax: maxRequestBytes }).methods,
  ];
  const health = healthMethods(engine.start);
  const others = refuseWhileStarting(served, engine.start);
  return { methods: [...others, ...health, ...unimplementedMethods], watch };
}
