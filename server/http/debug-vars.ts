/**
 * What `/debug/vars` tells: the variables that etcd publishes, as far as there is anything like them here. Of Go's memstats those
 * fields are there that have a meaning in Node.
 */
import type { Engine } from "../engine/engine.ts";

export interface VarsSources {
  readonly engine: Engine;
  readonly memberId: bigint;
  /** Infinity when there is none or it cannot be known. */
  readonly descriptorLimit: number;
  /** Without passwords. */
  readonly argv: readonly string[];
  readonly memory: () => NodeJS.MemoryUsage;
}

export function debugVars({ engine, memberId, descriptorLimit, argv, memory }: VarsSources): Record<string, unknown> {
  const { heapUsed, heapTotal, rss, external } = memory();
  const { proposer, applier, start } = engine;
  const id = memberId.toString(16);
  const leads = start.isOver && proposer.isWritable;
  const progress = { [id]: { match: proposer.committed, next: proposer.appended + 1, state: "StateReplicate" } };
  return {
    cmdline: argv,
    file_descriptor_limit: Number.isFinite(descriptorLimit) ? descriptorLimit : 0,
    memstats: { Alloc: heapUsed + external, Sys: rss, HeapAlloc: heapUsed, HeapSys: heapTotal },
    "raft.status": {
      id,
      term: proposer.epoch,
      vote: id,
      commit: proposer.committed,
      lead: leads ? id : "0",
      raftState: leads ? "StateLeader" : "StateFollower",
      applied: applier.applied,
      progress: leads ? progress : {},
      leadtransferee: "0",
    },
  };
}

const PASSWORD_FLAG = /^(--?[^=]*password)(=|$)/;

/** A command line without what only its operator shall know. */
export function withoutPasswords(argv: readonly string[]): string[] {
  return argv.map((argument, i) => {
    const flag = PASSWORD_FLAG.exec(argument);
    if (flag !== null) return flag[2] === "" ? argument : `${flag[1]}=***`;
    const before = i === 0 ? null : PASSWORD_FLAG.exec(argv[i - 1]);
    return before !== null && before[2] === "" ? "***" : argument;
  });
}
