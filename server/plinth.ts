/**
 * The whole server put together: data directory, journal, engine, services, sockets. It opens from the bottom up and
 * stops from the top down, so that nothing is used before it is there or after it is gone. Only the journal, which takes
 * long to replay, is opened last, under sockets that tell so.
 */
import { BlockPool, systemBlocks } from "../partitions/store/block-pool.ts";
import type { BlockSource } from "../partitions/store/block-pool.ts";
import { JournalError } from "../journal/journal.ts";
import { BackupSchedule } from "./backups/backup-schedule.ts";
import type { BackupInfo } from "./backups/backup-schedule.ts";
import { createServices } from "./api/services.ts";
import { Headers } from "./api/header.ts";
import { AutoCompactor } from "./engine/auto-compactor.ts";
import { systemClock, systemTime } from "./clock.ts";
import type { Config } from "./config/config.ts";
import { formatUrl } from "./config/tls-config.ts";
import type { ClientTerms } from "./tls/client-terms.ts";
import { DEFAULT_PARTITIONS } from "./config/partition-settings.ts";
import type { PartitionSettings } from "./config/partition-settings.ts";
import { openDataDir } from "./host/data-dir.ts";
import { HostResources } from "./host/host-resources.ts";
import { measureTurns, StallWatch, STALL_WARNING_MS } from "./host/stall-watch.ts";
import { durationText } from "./engine/event-log.ts";
import { PreparedBlocks } from "./host/prepared-blocks.ts";
import { isAddressSpaceLimited, readMemoryUse } from "./host/memory.ts";
import { isBeyondMemory, MemoryGuard } from "./engine/memory-guard.ts";
import { Engine } from "./engine/engine.ts";
import { Reigns } from "./engine/reigns.ts";
import type { StartProgress } from "./engine/start-progress.ts";
import { Opened } from "./opened.ts";
import type { JournalOpening } from "./open-journal.ts";
import {
  farZones,
  isShared,
  journalDirectories,
  journalTally,
  openJournal,
  replicasOf,
  snapshotZones,
} from "./open-journal.ts";
import { ZoneShelf } from "./snapshot-shelf.ts";
import { EngineHealth } from "./http/engine-health.ts";
import { engineMetricSources } from "./http/metric-sources.ts";
import { HealthChecks } from "./http/health-checks.ts";
import { Gateway } from "./gateway/gateway.ts";
import { createClientHandler } from "./http/client-handler.ts";
import { createDebugHandler } from "./http/debug-handler.ts";
import { debugVars, withoutPasswords } from "./http/debug-vars.ts";
import { createHttpHandler } from "./http/http-handler.ts";
import { serverStatus } from "./http/server-status.ts";
import { listenHttp } from "./http/http-listener.ts";
import { AuthTokens } from "./session/auth-tokens.ts";
import { LOOP_HASHER, ThreadHasher } from "./session/hasher.ts";
import { JwtTokens } from "./session/jwt-tokens.ts";
import type { Tokens } from "./session/tokens.ts";
import { readTokenKeys } from "./config/token-keys.ts";
import { RECEIVE_OVERHEAD_BYTES, SHUTDOWN_GRACE_MS } from "./limits.ts";
import { Profiler } from "./host/profiler.ts";
import { LimitedLog } from "./host/limited-log.ts";
import type { Logger } from "./host/logger.ts";
import { LateMetrics } from "./metrics/late-metrics.ts";
import { CallCounters } from "./metrics/call-counters.ts";
import type { ListenAddress } from "./config/values.ts";
import { removeStaleSocket } from "./host/stale-socket.ts";
import type { JournalStatus } from "../journal/journal-status.ts";
import { schema } from "../proto/schema.ts";
import { ThreadWitness } from "./witness/thread-witness.ts";
import { GrpcServer } from "./transport/grpc-server.ts";
import type { Traffic } from "./transport/service.ts";
import { DEFAULT_LIMITS, limitsForMessages } from "./transport/limits.ts";
import type { TransportLimits } from "./transport/limits.ts";

/** Who waited for the start goes first. */
const LATE_LOAD_MS = 100;

/** A server that has its addresses, and is not ready. */
export interface Bound {
  readonly progress: StartProgress;
  /** Those of clients, with the ports that were chosen. */
  readonly urls: readonly string[];
  /** Absolute. */
  readonly dataDir: string;
}

/** What no flag sets. */
export interface StartOptions {
  /** Size of the journal's files; 64 MiB unless given. */
  readonly segmentBytes?: number;
  /** Called when the server answers on every address, before it opens the journal. */
  readonly onBound?: (bound: Bound) => void;
}

export class Plinth {
  /** Resolves to the reason when the journal cannot be written by this process any more: it should end, and be started again. */
  readonly journalLost: Promise<Error>;
  readonly #opened: Opened;
  #stopped: Promise<void> | null = null;

  private constructor(opened: Opened, journalLost: Promise<Error>) {
    this.#opened = opened;
    this.journalLost = journalLost;
  }

  /**
   * Starts a server and returns when it serves on every address. When it throws, nothing is left open.
   *
   * @throws ConfigError, DataDirError, JournalError, or the error of an address that cannot be bound
   */
  static async start(config: Config, logger: Logger, options: StartOptions = {}): Promise<Plinth> {
    const opened = new Opened();
    const lost = Promise.withResolvers<Error>();
    try {
      await open(opened, config, logger, options, lost.resolve);
      return new Plinth(opened, lost.promise);
    } catch (error) {
      await opened.close().catch((closeError: unknown) => {
        logger.error({ error: closeError }, "not all that was opened could be closed");
      });
      throw error;
    }
  }

  /** Ends calls and streams, waits for what the journal has in hand, and gives the directory up. */
  stop(): Promise<void> {
    this.#stopped ??= this.#opened.close();
    return this.#stopped;
  }
}

/** Opens everything from the bottom up. What it has opened when it throws is in `opened`. */
async function open(
  opened: Opened,
  config: Config,
  logger: Logger,
  options: StartOptions,
  onLost: (error: Error) => void,
): Promise<void> {
  const { onBound, segmentBytes } = options;
  const clock = systemClock;
  const startedMs = clock.nowMs();
  const log = new LimitedLog(logger, clock);
  const memory = new MemoryGuard({
    clock,
    read: () => readMemoryUse(config.memoryLimitBytes),
    keptBytes: () => engine.keyspace.bytes,
    growthBytesIfLeft: (share) => engine.lessor.growthBytesIfLeft(share),
    onChange: (isShort, use) => {
      if (isShort) log.warn({ ...use }, "memory runs short; what adds bytes is refused");
      else log.info({ ...use }, "memory is enough again");
    },
  });
  warnOfQuota(config, logger);
  const partitions = await readPartitions(config);
  const dataDir = await openDataDir(config.dataDir);
  opened.add(() => dataDir.close());
  const { memberId } = dataDir.identity;
  const replicas = replicasOf(config, dataDir);
  // Whoever has the directory has the journal in it.
  const isAlone = config.journalReplicas === null || replicas.length === 1;
  const reads = isAlone ? "reads are served" : "linearizable reads wait as well when nobody confirms them";
  let server: GrpcServer | null = null;
  let journalClusterId = "";
  const blocks = new PreparedBlocks(clock, systemBlocks);
  opened.add(() => blocks.stop());
  // A thread takes many addresses, and ends the process where there are too few.
  const source: BlockSource = isAddressSpaceLimited() ? systemBlocks : (bytes) => blocks.allocate(bytes);
  const shelf = new ZoneShelf({
    zones: snapshotZones(replicas, dataDir),
    farZones: farZones(replicas),
    majority: Math.floor(replicas.length / 2) + 1,
    retentionMs: config.historyRetentionMs,
    clock,
    wallMs: systemTime.wallMs,
    isAddressSpaceLimited: isAddressSpaceLimited(),
    clusterId: () => journalClusterId,
    epoch: () => engine.proposer.epoch,
    log,
    onFetched: (zone, bytes, of) =>
      engine.start.prepare(`fetching a snapshot from zone ${zone}, ${Math.floor((bytes / of) * 100)} %`),
    onGiven: (zone, bytes) => engine.counters.snapshotBytesGiven(zone, bytes),
    onCopied: () => void engine.snapshotter?.tidyUp(),
  });
  const engine: Engine = new Engine({
    ...systemTime,
    memberId,
    partitions,
    pool: new BlockPool({ source }),
    quotaBytes: config.quotaBackendBytes ?? Number.POSITIVE_INFINITY,
    memory,
    warningApplyMs: config.warningApplyMs,
    warningRequestMs: config.warningRequestMs,
    log,
    shelf,
    snapshotTail: config.snapshotTail,
    selfCheck:
      config.corruptCheckMs === 0
        ? null
        : { everyMs: config.corruptCheckMs, openWitness: () => new ThreadWitness(partitions) },
    isAlone,
    flush: () => server?.flush(),
    onJournalFailed: (error) => {
      if (error instanceof JournalError && error.isFenced)
        logger.error({ error }, "fenced: another server has the journal");
      else logger.error({ error }, `the journal failed; writes are refused, ${reads}`);
      reigns.onFailed(error);
    },
    onJournalStalled: (reason) => {
      if (reason === null) logger.info("the journal writes again");
      else logger.warn({ error: reason }, `the journal cannot write for now; writes wait, ${reads}`);
    },
  });
  const tally = journalTally(config, dataDir, engine.counters);
  const opening: JournalOpening = { config, dataDir, engine, logger, tally, shelf, segmentBytes, onLost };
  const headers = new Headers(dataDir.identity.clusterId, memberId, engine.proposer);
  const reigns: Reigns = new Reigns({
    engine,
    clock,
    logger,
    onLost,
    takesOver: config.takeOver,
    openStore: async (signal) => {
      const store = await openJournal(opening, signal);
      journalClusterId = store.clusterId;
      return store;
    },
    onBegun: async () => {
      await dataDir.noteJournal();
      headers.clusterId = dataDir.identity.clusterId;
    },
  });
  opened.add(() => reigns.close());
  opened.add(() => engine.snapshotter?.close());
  opened.add(() => engine.selfCheck?.close());
  opened.add(() => shelf.close());
  const resources = new HostResources({
    directories: journalDirectories(replicas, dataDir),
    replicas: replicas.length,
    clock,
    logger,
    onGone: onLost,
  });
  opened.add(() => resources.stop());

  // A thread takes many addresses, as above.
  const hasher = isAddressSpaceLimited() ? LOOP_HASHER : new ThreadHasher();
  opened.add(() => void hasher.drop());
  const tokens = await openTokens(config, engine);
  const services = createServices(engine, headers, systemTime, config, log, { tokens, hasher });
  const calls = new CallCounters(services.methods);
  const checks = new HealthChecks(new EngineHealth(engine), clock, logger);
  const journalStatus = (): JournalStatus => tally.status();
  const lastBackup = (): BackupInfo | null => backups?.last ?? null;
  const metrics = new LateMetrics(
    engineMetricSources({
      engine,
      services,
      calls,
      checks,
      memberId,
      config,
      host: resources,
      journalStatus,
      snapshotZones: () => shelf.farZones,
      lastBackup,
    }),
  );
  const backups =
    config.backups === null
      ? null
      : new BackupSchedule({
          ...systemTime,
          settings: config.backups,
          begin: () => (engine.proposer.isWritable ? services.maintenance.beginBackup() : null),
          log,
          counters: engine.counters,
        });
  const http = createHttpHandler({
    checks,
    metrics: () => metrics.text(),
    status: () =>
      serverStatus({
        ...systemTime,
        engine,
        name: config.name,
        identity: () => dataDir.identity,
        journalStatus,
        snapshotZones: () => shelf.farZones,
        backups,
      }),
    snapshot: () => takeSnapshot(engine),
    logger,
  });
  const terms = await openTerms(config, dataDir.path, log);
  // Before the replay, which may take long: an address that cannot be had is told at once, and who asks is answered.
  for (const address of config.listenMetricsAddresses) {
    const listener = await listenHttp(address, http, resources, terms === null ? null : { terms, log });
    opened.add(() => listener.close());
  }
  const limits = transportLimits(config);
  const argv = withoutPasswords([process.argv0, ...process.argv.slice(1)]);
  const gateway = new Gateway({ ...systemTime, methods: services.methods, observer: calls, limits });
  const front = new GrpcServer({
    methods: services.methods,
    http: createClientHandler({
      plain: http,
      debug: createDebugHandler({
        vars: () =>
          debugVars({
            engine,
            memberId,
            descriptorLimit: resources.descriptorLimit,
            argv,
            memory: () => process.memoryUsage(),
          }),
        profiler: config.pprof ? new Profiler(clock) : null,
        argv,
        logger,
      }),
      gateway: config.grpcGateway ? (request, response, path) => gateway.handle(request, response, path) : null,
      cors: config.cors,
      hosts: config.hostWhitelist,
      isAuthEnabled: () => engine.keyspace.auth.enabled,
    }),
    observer: calls,
    limits: { ...limits, connectionsMax: resources.connectionsMax(DEFAULT_LIMITS.connectionsMax) },
    log,
    door: resources,
    heldUntil: isShared(config) ? engine.start : null,
  });
  server = front;
  opened.add(() => front.shutdown(SHUTDOWN_GRACE_MS));
  opened.add(() => gateway.close());
  const urls: string[] = [];
  const listen = async (address: ListenAddress, traffic: Traffic): Promise<string> => {
    if ("path" in address) await removeStaleSocket(address.path);
    const { security } = address;
    const bound = await front.listen({
      ...address,
      traffic,
      alsoPlain: security === "either",
      ...(security !== undefined && terms !== null && { tls: terms }),
    });
    logger.info({ ...address, ...bound, traffic }, "listening for client requests");
    return formatUrl({ ...address, ...bound });
  };
  const forHttp = config.listenClientHttpAddresses;
  for (const address of config.listenClientAddresses) {
    urls.push(await listen(address, forHttp.length === 0 ? "grpc+http" : "grpc"));
  }
  for (const address of forHttp) await listen(address, "http");

  onBound?.({ progress: engine.start, urls, dataDir: dataDir.path });
  const records = await reigns.begin();
  await resources.begin();
  const stalls = new StallWatch({
    clock,
    turns: measureTurns(),
    onStall: (milliseconds) => {
      const fields = { took: durationText(milliseconds), "expected-duration": durationText(STALL_WARNING_MS) };
      log.warn(fields, "the event loop stood still; all clients waited");
    },
  });
  stalls.start();
  opened.add(() => stalls.stop());
  memory.start();
  opened.add(() => memory.stop());
  const { revision } = engine.keyspace;
  const snapshot = engine.snapshotter?.last?.position ?? 0;
  logger.info(
    { records: records - snapshot, snapshot, revision, "took-ms": clock.nowMs() - startedMs },
    "replayed the journal",
  );
  const autoCompactor = new AutoCompactor({
    compaction: config.autoCompaction,
    clock,
    logger,
    currentRevision: () => engine.keyspace.revision,
    compact: (to) => engine.compact(to),
  });
  opened.add(() => autoCompactor.stop());
  if (backups !== null) {
    backups.start();
    opened.add(() => backups.close());
  }
  logger.info({ "data-dir": dataDir.path, name: config.name }, "ready to serve client requests");
  clock.after(LATE_LOAD_MS, () => loadTheRest(metrics, logger));
}

function takeSnapshot({ snapshotter }: Engine): Promise<object> {
  return snapshotter === null ? Promise.reject(new Error("snapshots are kept nowhere")) : snapshotter.take();
}

/** Null where nothing is served over TLS. */
async function openTerms(config: Config, dataDir: string, log: LimitedLog): Promise<ClientTerms | null> {
  const { clientTls, listenClientAddresses, listenClientHttpAddresses, listenMetricsAddresses } = config;
  const secure = [...listenClientAddresses, ...listenClientHttpAddresses, ...listenMetricsAddresses].filter(
    ({ security }) => security !== undefined,
  );
  if (clientTls === null || secure.length === 0) return null;
  // Who serves without TLS need not load it.
  const { openClientTerms } = await import("./tls/open-client-terms.ts");
  return openClientTerms(clientTls, secure, dataDir, systemClock, log);
}

async function readPartitions({ partitionMap }: Config): Promise<PartitionSettings> {
  if (partitionMap === null) return DEFAULT_PARTITIONS;
  const { readPartitionMap } = await import("./config/partition-map-file.ts");
  return readPartitionMap(partitionMap);
}

async function openTokens({ jwt, authTokenTtlMs }: Config, { keyspace }: Engine): Promise<Tokens> {
  if (jwt === null) return new AuthTokens(keyspace.auth, systemClock, authTokenTtlMs);
  return JwtTokens.open(keyspace.auth, systemTime.wallMs, await readTokenKeys(jwt));
}

/**
 * Loads what a start can do without, now that it is over. Not when it is first needed: that call would wait for it, and
 * could meet a process that has run out of descriptors.
 */
function loadTheRest(metrics: LateMetrics, logger: Logger): void {
  const failed = (error: unknown): void =>
    logger.warn({ error }, "not all code could be loaded; the first use tries again");
  try {
    schema();
  } catch (error) {
    failed(error);
  }
  metrics.load().catch(failed);
}

/** What the operator may set of them. */
function transportLimits({ maxRequestBytes, maxConcurrentStreams, keepAlive }: Config): TransportLimits {
  const isLimited = maxConcurrentStreams < DEFAULT_LIMITS.streamsPerConnectionMax;
  return {
    ...DEFAULT_LIMITS,
    ...limitsForMessages(maxRequestBytes + RECEIVE_OVERHEAD_BYTES),
    ...(isLimited && { streamsPerConnectionMax: maxConcurrentStreams, streamsAnnounced: maxConcurrentStreams }),
    pingIntervalMsMin: keepAlive.minTimeMs,
    keepAliveIntervalMs: keepAlive.intervalMs,
    keepAliveTimeoutMs: keepAlive.timeoutMs,
  };
}

/** Memory ends the growth as well, and some operator counts on the quota. */
function warnOfQuota({ quotaBackendBytes, memoryLimitBytes }: Config, logger: Logger): void {
  const use = readMemoryUse(memoryLimitBytes);
  if (quotaBackendBytes === null || !isBeyondMemory(quotaBackendBytes, use)) return;
  const { heapLimitBytes, totalLimitBytes } = use;
  const fields = {
    "quota-size-bytes": quotaBackendBytes,
    "heap-limit-bytes": heapLimitBytes,
    "memory-limit-bytes": totalLimitBytes,
  };
  logger.warn(fields, "memory will run short before the quota is reached");
}
