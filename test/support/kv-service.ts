/** The KV service over an engine, as a server makes it, for tests without sockets. */
import { Headers } from "../../server/api/header.ts";
import { KvService } from "../../server/api/kv/kv.ts";
import { SlowCalls } from "../../server/api/slow-calls.ts";
import { systemClock } from "../../server/clock.ts";
import type { Turns } from "../../server/clock.ts";
import type { Engine } from "../../server/engine/engine.ts";
import { callersOf } from "./callers.ts";
import { MEMBER_ID, NO_LOG } from "./engines.ts";

export function newKvService(engine: Engine, turns: Turns): KvService {
  const { keyspace, proposer, compactor, guard, partitionGuard, counters, reads } = engine;
  return new KvService({
    keyspace,
    proposer,
    compactor,
    guard,
    partitionGuard,
    counters,
    reads,
    turns,
    slowCalls: new SlowCalls(systemClock, NO_LOG, Number.POSITIVE_INFINITY),
    callers: callersOf(keyspace),
    headers: new Headers(1n, MEMBER_ID, proposer),
    txnOpsMax: 128,
    requestBytesMax: 1_572_864,
  });
}
