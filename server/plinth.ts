/**
 * The whole server put together: data directory, journal, engine, services, sockets. It opens from the bottom up and
 * stops from the top down, so that nothing is used before it is there or after it is gone.
 */
import path from "node:path";
import type { DirectoryJournalOptions } from "../journal/directory-journal.ts";
import { openDirectoryJournal } from "../journal/directory-journal.ts";
import type { Journal } from "../journal/journal.ts";
import { createServices } from "./api/services.ts";
import { Headers } from "./api/header.ts";
import { AutoCompactor } from "./auto-compactor.ts";
import { systemClock } from "./clock.ts";
import type { Config } from "./config.ts";
import type { DataDir } from "./data-dir.ts";
import { openDataDir } from "./data-dir.ts";
import { Engine } from "./engine.ts";
import { EngineHealth } from "./engine-health.ts";
import { engineMetricSources } from "./engine-metrics.ts";
import { HealthChecks } from "./http/health-checks.ts";
import { createHttpHandler } from "./http/http-handler.ts";
import type { HttpListener } from "./http/http-listener.ts";
import { listenHttp } from "./http/http-listener.ts";
import { RECEIVE_OVERHEAD_BYTES, SHUTDOWN_GRACE_MS } from "./limits.ts";
import type { Logger } from "./logger.ts";
import { Metrics } from "./metrics.ts";
import { CallCounters } from "./metrics/call-counters.ts";
import { removeStaleSocket } from "./stale-socket.ts";
import { GrpcServer } from "./transport/grpc-server.ts";

/** Where the journal lies inside the data directory. */
const JOURNAL_DIRECTORY = "journal";

export type JournalOptions = Pick<DirectoryJournalOptions, "segmentBytes">;

export class Plinth {
  readonly #dataDir: DataDir;
  readonly #journal: Journal;
  readonly #engine: Engine;
  readonly #server: GrpcServer;
  readonly #autoCompactor: AutoCompactor;
  readonly #metricsListeners: HttpListener[];
  #stopped: Promise<void> | null = null;

  private constructor(
    dataDir: DataDir,
    journal: Journal,
    engine: Engine,
    server: GrpcServer,
    autoCompactor: AutoCompactor,
    metricsListeners: HttpListener[],
  ) {
    this.#dataDir = dataDir;
    this.#journal = journal;
    this.#engine = engine;
    this.#server = server;
    this.#autoCompactor = autoCompactor;
    this.#metricsListeners = metricsListeners;
  }

  /**
   * Starts a server and returns when it serves on every address.
   *
   * @param journalOptions what no flag sets
   * @throws DataDirError, JournalError, or the error of an address that cannot be bound
   */
  static async start(config: Config, logger: Logger, journalOptions: JournalOptions = {}): Promise<Plinth> {
    const clock = systemClock;
    const startedMs = clock.nowMs();
    const dataDir = await openDataDir(config.dataDir);
    const { clusterId, memberId } = dataDir.identity;
    let server: GrpcServer | null = null;
    const engine = new Engine({
      clock,
      memberId,
      quotaBytes: config.quotaBackendBytes ?? Number.POSITIVE_INFINITY,
      flush: () => server?.flush(),
      onJournalFailed: (error) => logger.error({ error }, "the journal failed; writes are refused, reads are served"),
    });
    const journal = await openDirectoryJournal({
      ...journalOptions,
      directory: path.join(dataDir.path, JOURNAL_DIRECTORY),
      listener: engine,
      clusterId: clusterId.toString(16).padStart(32, "0"),
      onFlush: (milliseconds) => engine.counters.journalSyncSeconds.observe(milliseconds / 1_000),
    });
    const records = await engine.start(journal);
    const { revision } = engine.keyspace;
    logger.info({ records, revision, "took-ms": clock.nowMs() - startedMs }, "replayed the journal");

    const services = createServices(engine, new Headers(clusterId, memberId), clock, config);
    const calls = new CallCounters(services.methods);
    const checks = new HealthChecks(new EngineHealth(engine), clock, logger);
    const metrics = new Metrics(engineMetricSources({ engine, services, calls, checks, memberId, config }));
    const http = createHttpHandler({
      checks,
      metrics: () => metrics.text(),
      metricsContentType: metrics.contentType,
      logger,
    });
    server = new GrpcServer({
      methods: services.methods,
      http,
      observer: calls,
      limits: { receiveMessageBytesMax: config.maxRequestBytes + RECEIVE_OVERHEAD_BYTES },
      log: logger,
    });
    const metricsListeners: HttpListener[] = [];
    for (const address of config.listenMetricsAddresses) metricsListeners.push(await listenHttp(address, http));
    for (const address of config.listenClientAddresses) {
      if ("path" in address) await removeStaleSocket(address.path);
      const bound = await server.listen(address);
      logger.info({ ...address, ...bound }, "serving client requests");
    }
    const autoCompactor = new AutoCompactor({
      compaction: config.autoCompaction,
      clock,
      logger,
      currentRevision: () => engine.keyspace.revision,
      compact: (to) => engine.compact(to),
    });
    logger.info({ "data-dir": dataDir.path, name: config.name }, "ready to serve client requests");
    return new Plinth(dataDir, journal, engine, server, autoCompactor, metricsListeners);
  }

  /** Ends calls and streams, waits for what the journal has in hand, and gives the directory up. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#autoCompactor.stop();
    await this.#server.shutdown(SHUTDOWN_GRACE_MS);
    for (const listener of this.#metricsListeners) await listener.close();
    this.#engine.stop();
    await this.#journal.close();
    this.#dataDir.close();
  }
}
