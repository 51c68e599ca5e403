/** A replica of the journal put together: its directory, its address, and what is told of it. */
import { formatReplicaAddress } from "../journal/quorum/replica-address.ts";
import { ReplicaService } from "../journal/replica-service.ts";
import { systemClock } from "./clock.ts";
import type { ReplicaConfig } from "./config/replica-config.ts";
import { reasonOf } from "./engine/refusals.ts";
import { HostResources } from "./host/host-resources.ts";
import type { Logger } from "./host/logger.ts";
import { openReplicaDir } from "./host/replica-dir.ts";
import { HealthChecks } from "./http/health-checks.ts";
import { createHttpHandler } from "./http/http-handler.ts";
import { listenHttp } from "./http/http-listener.ts";
import { ReplicaHealth } from "./http/replica-health.ts";
import { BucketRecorder } from "./metrics/bucket-recorder.ts";
import { DISK_SECONDS_BOUNDS } from "./metrics/counters.ts";
import type { MetricSet } from "./metrics/metric-set.ts";
import type { ReplicaMetricSources } from "./metrics/replica-process-metrics.ts";
import { Opened } from "./opened.ts";
import { ReplicaSnapshots } from "./replica-snapshots.ts";
import { readTls } from "./replica-tls.ts";

/** What no flag sets. */
export interface ReplicaOptions {
  /** Size of the journal's files; 64 MiB unless given. */
  readonly segmentBytes?: number;
}

export class Replica {
  /** Resolves to the reason when the directory is gone: the process should end, and be started again. */
  readonly lost: Promise<Error>;
  readonly #opened: Opened;

  private constructor(opened: Opened, lost: Promise<Error>) {
    this.#opened = opened;
    this.lost = lost;
  }

  /**
   * Returns when servers may come. When it throws, nothing is left open.
   *
   * @throws DataDirError, JournalError, or the system's error of a file or an address
   */
  static async start(config: ReplicaConfig, logger: Logger, options: ReplicaOptions = {}): Promise<Replica> {
    const opened = new Opened();
    const lost = Promise.withResolvers<Error>();
    try {
      await open(opened, config, logger, options, lost.resolve);
      return new Replica(opened, lost.promise);
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  /** Lets no one in any more, waits for what is at the disk, and gives the directory up. */
  stop(): Promise<void> {
    return this.#opened.close();
  }
}

async function open(
  opened: Opened,
  config: ReplicaConfig,
  logger: Logger,
  options: ReplicaOptions,
  onLost: (error: Error) => void,
): Promise<void> {
  const { zone, listen } = config;
  const tls = config.tls === null ? null : await readTls(config.tls);
  const directory = await openReplicaDir(config.dataDir);
  opened.add(() => directory.lock.release());
  const resources = new HostResources({
    directories: [directory.path],
    replicas: 1,
    clock: systemClock,
    logger,
    onGone: onLost,
  });
  opened.add(() => resources.stop());
  const appendSeconds = new BucketRecorder(DISK_SECONDS_BOUNDS);
  let snapshots: ReplicaSnapshots | null = null;
  const service = await ReplicaService.open({
    ...options,
    zone,
    directory: directory.path,
    openFiles: (clusterId) => {
      snapshots = new ReplicaSnapshots(directory.path, clusterId, logger);
      return snapshots;
    },
    host: listen.host,
    port: listen.port,
    tls,
    clock: systemClock,
    listener: {
      onConnected: (peer, writer) => logger.info({ peer, writer }, "a server has connected"),
      onDisconnected: (peer, writer, reason) => logger.info({ peer, writer, reason }, "a server has gone"),
      onRefused: (peer, reason) => logger.warn({ peer, reason }, "refused a connection"),
      onMade: (clusterId) => logger.info({ "cluster-id": clusterId }, "the replica was made for a journal"),
      onTrouble: (trouble) => {
        if (trouble === null) logger.info("the replica is well again");
        else logger.warn({ error: trouble }, "the replica does not keep what it is sent for now");
      },
      onRot: (rot) => {
        if (rot === null) return logger.info("the damaged frames are put back");
        const { from, to, reason: error } = rot;
        logger.warn({ from, to, error }, "frames are damaged; they are put back from the other replicas");
      },
      onAppended: (milliseconds) => appendSeconds.observe(milliseconds / 1_000),
    },
  });
  opened.add(() => service.close());
  const reason = (): string | null => {
    const { trouble } = service.status;
    return trouble === null ? null : reasonOf(trouble);
  };
  const snapshotStatus = (): { count: number; newest: number } => ({
    count: snapshots?.count ?? 0,
    newest: snapshots?.newest ?? 0,
  });
  const checks = new HealthChecks(new ReplicaHealth(reason), systemClock, logger);
  const http = createHttpHandler({
    checks,
    metrics: lateMetrics({
      status: () => service.status,
      snapshots: snapshotStatus,
      appendSeconds,
      diskFreeBytes: () => resources.diskFreeBytes,
      descriptorLimit: resources.descriptorLimit,
    }),
    status: () => ({ ...service.status, role: "replica", zone, snapshots: snapshotStatus(), trouble: reason() }),
    logger,
  });
  for (const address of config.listenMetricsAddresses) {
    const listener = await listenHttp(address, http, resources);
    opened.add(() => listener.close());
  }
  await resources.begin();
  const address = formatReplicaAddress({ ...listen, port: service.port });
  const { state, clusterId, lastPosition } = service.status;
  const fields = { zone, address, "data-dir": directory.path, state, "cluster-id": clusterId, position: lastPosition };
  logger.info(fields, "the replica listens");
}

/** Their library is loaded when they are asked for: a replica that nobody scrapes does without. */
function lateMetrics(sources: ReplicaMetricSources): () => Promise<string> {
  let metrics: MetricSet | null = null;
  return async () => {
    const { replicaMetrics } = await import("./metrics/replica-process-metrics.ts");
    metrics ??= replicaMetrics(sources);
    return metrics.text();
  };
}
