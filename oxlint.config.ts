/**
 * The linter's rules, and the directions in which the rooms of the house may import one another. Each room names what
 * it may import from outside itself; everything else is an error. docs/architecture.md draws the same.
 */
import { defineConfig } from "oxlint";
import type { OxlintOverride } from "oxlint";

/** Which files, what they may import from other rooms (as the specifier begins), and what an import beyond that breaks. */
type Room = readonly [files: string, may: readonly string[], rule: string];

const PARTITIONS = "A partition's rooms stand on one another in one direction, and on proto alone outside.";
const TRANSPORT =
  "The transport moves bytes: it knows no other part of the server, and its layers know those below them.";
const TRANSPORT_BASE = [
  "../limits.ts",
  "../service.ts",
  "../refusals.ts",
  "../method-table.ts",
  "../../../proto/grpc-codes.ts",
];

/** What is outside asks Versions about references and slots, and sees no object of the store. */
const OF_STATE =
  "../state/{quotas,change-walk,compaction,counting,history-walk,hold,keyspace-facts,keyspace-state,lease-table,merge-heap,partition,version-image,version-search,versions}.ts";

const ROOMS: readonly Room[] = [
  ["proto/*.ts", [], "proto imports nothing of ours."],
  ["proto/json/**", ["../{limits,schema,writer}.ts"], "JSON stands on the declared messages."],

  ["journal/*.ts", [], "The journal imports nothing of ours."],
  [
    "journal/replica/**",
    ["../frame.ts", "../journal.ts", "../journal-errors.ts", "../limits.ts", "../time.ts"],
    "A replica knows frames, limits and errors, and no writer.",
  ],
  [
    "journal/quorum/**",
    ["../frame.ts", "../journal*.ts", "../limits.ts", "../time.ts", "../replica/**"],
    "A quorum stands on replicas, and knows no server.",
  ],

  ["partitions/*.ts", ["../proto/**"], PARTITIONS],
  ["partitions/interval/**", [], PARTITIONS],
  ["partitions/store/**", ["../../proto/**"], PARTITIONS],
  ["partitions/auth/**", ["../../proto/**", "../refusals.ts", "../interval/**"], PARTITIONS],
  [
    "partitions/state/**",
    ["../../proto/**", "../refusals.ts", "../alarms.ts", "../interval/**", "../auth/**", "../store/**"],
    PARTITIONS,
  ],
  ["partitions/range/**", ["../../proto/**", "../refusals.ts", "../interval/**", OF_STATE], PARTITIONS],
  ["partitions/txn/**", ["../../proto/**", "../refusals.ts", "../interval/**", OF_STATE, "../range/**"], PARTITIONS],
  ["partitions/watch/**", ["../../proto/**", "../refusals.ts", "../interval/**", OF_STATE], PARTITIONS],
  [
    "partitions/walk/**",
    ["../../proto/**", "../refusals.ts", "../interval/**", "../auth/**", OF_STATE, "../range/**"],
    PARTITIONS,
  ],

  [
    "server/config/**",
    ["../limits.ts", "../version.ts", "../../journal/limits.ts", "../../journal/quorum/replica-address.ts"],
    "Flags are read before all else.",
  ],
  [
    "server/host/**",
    ["../clock.ts", "../limits.ts", "../config/**", "../../journal/replica/{disk,file-lock}.ts"],
    "The host knows no keys.",
  ],
  [
    "server/metrics/**",
    ["../version.ts", "../transport/service.ts", "../../proto/grpc-codes.ts"],
    "Metrics are told numbers and fetch none.",
  ],
  [
    "server/snapshot/**",
    ["../clock.ts", "../../journal/replica/disk.ts"],
    "A snapshot is chunks of records: its files know no keyspace.",
  ],
  [
    "server/witness/**",
    [
      "../config/partition-settings.ts",
      "../engine/{execute-record,partition-map-of,self-check}.ts",
      "../../partitions/**",
    ],
    "A witness makes a keyspace of what it is given, and knows neither disks nor clients.",
  ],
  ["server/tls/**", ["../clock.ts", "../config/**", "../engine/event-log.ts"], "TLS knows files and certificates."],
  [
    "server/session/**",
    ["../clock.ts", "../limits.ts", "../../partitions/auth/**"],
    "Sessions know users, and no calls.",
  ],
  ["server/bolt/**", ["../limits.ts"], "bbolt files know no etcd, and no keyspace."],
  [
    "server/rebuild/**",
    [
      "../*.ts",
      "../config/**",
      "../engine/**",
      "../etcd-backup/**",
      "../host/**",
      "../snapshot/**",
      "../tools/{texts,usage}.ts",
      "../../proto/**",
      "../../partitions/**",
      "../../journal/*.ts",
      "../../journal/replica/**",
    ],
    "A data directory is made of what there was, without a server.",
  ],
  [
    "server/backups/**",
    [
      "../clock.ts",
      "../../journal/replica/disk.ts",
      "../limits.ts",
      "../config/**",
      "../bolt/**",
      "../etcd-backup/**",
      "../engine/event-log.ts",
      "../metrics/counters.ts",
    ],
    "Backups by the clock know what a backup is, and no engine.",
  ],
  [
    "server/etcd-backup/**",
    ["../limits.ts", "../bolt/**", "../../proto/**", "../../partitions/**"],
    "etcd's files know the keyspace, and no engine.",
  ],
  [
    "server/engine/**",
    [
      "../clock.ts",
      "../limits.ts",
      "../config/**",
      "../host/logger.ts",
      "../metrics/**",
      "../../proto/**",
      "../../partitions/**",
      "../../journal/journal.ts",
      "../../journal/limits.ts",
    ],
    "The engine imports neither api nor transport, and of the journal its interface alone.",
  ],
  [
    "server/api/*.ts",
    [
      "../*.ts",
      "../bolt/**",
      "../config/**",
      "../engine/**",
      "../etcd-backup/**",
      "../metrics/**",
      "../session/**",
      "../transport/service.ts",
      "../../proto/**",
      "../../partitions/**",
    ],
    "api stands on the engine, on sessions and on the transport's interface.",
  ],
  [
    "server/api/kv/**",
    [
      "../*.ts",
      "../../*.ts",
      "../../engine/**",
      "../../metrics/**",
      "../../transport/service.ts",
      "../../../proto/**",
      "../../../partitions/**",
    ],
    "api stands on the engine, on sessions and on the transport's interface.",
  ],
  [
    "server/api/concurrency/**",
    [
      "../method.ts",
      "../whole-message.ts",
      "../../limits.ts",
      "../../engine/{event-log,leadership,refusals}.ts",
      "../../transport/service.ts",
      "../../../proto/**",
      "../../../partitions/refusals.ts",
    ],
    "Locks and elections are clients of the services beside them.",
  ],
  [
    "server/gateway/**",
    ["../clock.ts", "../limits.ts", "../transport/{limits,refusals,service}.ts", "../../proto/**"],
    "The gateway calls methods and knows no service.",
  ],
  [
    "server/http/**",
    [
      "../*.ts",
      "../api/services.ts",
      "../config/**",
      "../engine/**",
      "../host/**",
      "../metrics/**",
      "../transport/limits.ts",
      "../transport/socket/{remote,secure-front}.ts",
      "../../proto/**",
      "../../journal/journal-status.ts",
    ],
    "http stands on the engine, the host, metrics and the transport's sockets.",
  ],
  [
    "server/{process,plinth,open-journal,own-zones,snapshot-shelf,shelf-zones,far-copier,lifetime,replica,replica-process,replica-snapshots,replica-tls}.ts",
    [
      "../journal/*.ts",
      "../journal/quorum/{file-store,replica-address,tcp-link}.ts",
      "../partitions/store/block-pool.ts",
      "../proto/schema.ts",
    ],
    "process and plinth put the server's parts together.",
  ],

  [
    "server/tools/**",
    [
      "../engine/{record,snapshots}.ts",
      "../http/{http-handler,server-status}.ts",
      "../../journal/*.ts",
      "../../journal/replica/**",
    ],
    "Tools look at what a server has left, or tells over HTTP.",
  ],

  ["server/transport/*.ts", ["../../proto/grpc-codes.ts"], TRANSPORT],
  ["server/transport/frames/**", TRANSPORT_BASE, TRANSPORT],
  ["server/transport/headers/**", [...TRANSPORT_BASE, "../frames/**"], TRANSPORT],
  ["server/transport/socket/**", [...TRANSPORT_BASE, "../frames/**"], TRANSPORT],
  ["server/transport/stream/**", [...TRANSPORT_BASE, "../frames/**", "../headers/**"], TRANSPORT],
  ["server/transport/sending/**", [...TRANSPORT_BASE, "../frames/**", "../headers/**", "../stream/**"], TRANSPORT],
  [
    "server/transport/connection/**",
    [...TRANSPORT_BASE, "../frames/**", "../headers/**", "../stream/**", "../sending/**"],
    TRANSPORT,
  ],

  [
    "bench/*.ts",
    ["../proto/**", "../server/**", "../journal/**"],
    "The tests stand on the benches, never the other way round.",
  ],
  [
    "bench/*/**",
    ["../*.ts", "../client/**", "../kv/**", "../peers/**", "../../proto/**", "../../server/**", "../../journal/**"],
    "The tests stand on the benches, never the other way round.",
  ],
  [
    "bench/keyspace/**",
    [
      "../*.ts",
      "../../proto/**",
      "../../partitions/{keyspace,refusals}.ts",
      "../../partitions/range/range.ts",
      "../../partitions/state/partition-map.ts",
      "../../partitions/store/block-pool.ts",
      "../../server/clock.ts",
      "../../server/engine/compactor.ts",
      "../../server/host/prepared-blocks.ts",
      "../../server/metrics/counters.ts",
    ],
    "The bench of the keyspace takes the server's place, with as little of the server as that needs.",
  ],
  [
    "bench/start/**",
    [
      "../*.ts",
      "../journal/**",
      "../../proto/**",
      "../../partitions/store/block-pool.ts",
      "../../server/**",
      "../../journal/**",
    ],
    "The bench of a start takes the server's place, with as little of the server as that needs.",
  ],
];

const NO_TIME_NO_IO = {
  regex: "^node:(fs|net|http|https|http2|timers|perf_hooks|worker_threads|child_process|dgram|tls)",
  message: "partitions has no clock and no I/O.",
};

function direction([files, may, message]: Room): OxlintOverride {
  const room = { group: ["../**", ...may.map((path) => `!${path}`)], message };
  const patterns = files.startsWith("partitions/") ? [room, NO_TIME_NO_IO] : [room];
  return { files: [files], rules: { "no-restricted-imports": ["error", { patterns }] } };
}

/** Below the sockets time and turns of the event loop go through seams, so that a simulation can be both. */
const SEAMS: OxlintOverride = {
  files: [
    "server/*.ts",
    "server/{api,engine,gateway,host,http,metrics,session,snapshot}/**",
    "journal/**",
    "partitions/**",
  ],
  rules: {
    "no-restricted-globals": [
      "error",
      ...["setImmediate", "setTimeout", "setInterval", "queueMicrotask", "performance"].map((name) => ({
        name,
        message: "Ask Clock or Turns.",
      })),
    ],
  },
};

/** Where they meet the machine's. */
const SEAMS_END: OxlintOverride = { files: ["server/clock.ts"], rules: { "no-restricted-globals": "off" } };

/** What every room of the server may import. */
const GROUND: OxlintOverride = {
  files: ["server/{clock,limits,version}.ts"],
  rules: {
    "no-restricted-imports": [
      "error",
      {
        patterns: [
          {
            group: ["./**", "../**", "!../package.json", "!../journal/time.ts"],
            message: "What every room may import imports none.",
          },
        ],
      },
    ],
  },
};

export default defineConfig({
  plugins: ["import", "typescript", "unicorn", "promise", "vitest"],
  categories: { correctness: "error", suspicious: "error" },
  rules: {
    "import/no-cycle": ["error", { ignoreTypes: false }],
    "typescript/no-explicit-any": "error",
    "typescript/consistent-type-imports": "error",
    "import/no-named-as-default-member": "off",
    "unicorn/consistent-function-scoping": "off",
    "eslint/no-underscore-dangle": "off",
    "vitest/no-standalone-expect": "off",
    "vitest/no-conditional-expect": "off",
    "vitest/valid-title": "off",
    "vitest/valid-expect": [
      "error",
      {
        maxArgs: 2,
      },
    ],
    "vitest/expect-expect": [
      "error",
      {
        assertFunctionNames: ["expect", "expect*", "assert", "assert*", "fc.assert", "check*", "verify*", "once"],
      },
    ],
  },
  overrides: [...ROOMS.map(direction), GROUND, SEAMS, SEAMS_END],
  ignorePatterns: ["bench/peers/.cache/**"],
});
