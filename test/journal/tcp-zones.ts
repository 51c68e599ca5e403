/** Replicas that are served over TCP by this process, each on a disk of its own, and stores of the journal that they keep. */
import type { JournalError } from "../../journal/journal.ts";
import type { LinkedStore } from "../../journal/linked-store.ts";
import type { LocalStore } from "../../journal/local-store.ts";
import type { ReplicaAnswer, ReplicaRequest } from "../../journal/replica/messages.ts";
import type { ReplicaServiceListener } from "../../journal/replica-service.ts";
import { ReplicaService } from "../../journal/replica-service.ts";
import type { ZonePlace, ZonesStoreOptions } from "../../journal/zones-journal.ts";
import { openJournalStore } from "../../journal/zones-journal.ts";
import { systemTime } from "../../server/clock.ts";
import { ZoneDisks } from "../sim/zone-disks.ts";

export const NAMES = ["a", "b", "c"];
const segmentBytes = 16 * 1024;
const SILENT: ReplicaServiceListener = {
  onConnected: () => undefined,
  onDisconnected: () => undefined,
  onRefused: () => undefined,
  onMade: () => undefined,
  onTrouble: () => undefined,
  onRot: () => undefined,
  onAppended: () => undefined,
};

export type TcpStore = LinkedStore | LocalStore;

type Answer = (answer: ReplicaAnswer) => void;

export class TcpZones {
  disk: ZoneDisks;
  readonly services = new Map<string, ReplicaService>();
  readonly #ports = new Map<string, number>();
  readonly #stores: TcpStore[] = [];

  private constructor(disk: ZoneDisks) {
    this.disk = disk;
  }

  /** Serves those zones of a, b and c that are named. */
  static start(seed: number, served: readonly string[] = NAMES): Promise<TcpZones> {
    return TcpZones.on(ZoneDisks.of(NAMES, seed), served);
  }

  static async on(disk: ZoneDisks, served: readonly string[] = NAMES): Promise<TcpZones> {
    const zones = new TcpZones(disk);
    for (const zone of served) await zones.serve(zone);
    return zones;
  }

  /** Opens the zone's directory; again, where it was before. */
  async serve(zone: string): Promise<ReplicaService> {
    const service = await ReplicaService.open({
      zone,
      directory: `/${zone}`,
      host: "127.0.0.1",
      port: this.#ports.get(zone) ?? 0,
      tls: null,
      segmentBytes,
      disk: this.disk,
      clock: systemTime.clock,
      listener: SILENT,
    });
    this.#ports.set(zone, service.port);
    this.services.set(zone, service);
    return service;
  }

  async stop(zone: string): Promise<void> {
    await this.services.get(zone)?.close();
    this.services.delete(zone);
  }

  at(zone: string): ReplicaService {
    const service = this.services.get(zone);
    if (service === undefined) throw new Error(`zone ${zone} is not served`);
    return service;
  }

  /** The address of a zone that is served or was; a directory of this process else. */
  place(zone: string): ZonePlace {
    const port = this.#ports.get(zone);
    if (port === undefined) return { zone, directory: `/${zone}` };
    return { zone, address: { isSecure: false, host: "127.0.0.1", port } };
  }

  async open(options: Partial<ZonesStoreOptions> = {}): Promise<TcpStore> {
    const zones = NAMES.map((zone) => this.place(zone));
    const store = await openJournalStore({ ...systemTime, zones, disk: this.disk, segmentBytes, ...options });
    this.#stores.push(store);
    return store;
  }

  /** What is done to the next request of which it says so, instead of handling it. */
  intercept(
    zone: string,
    what: (request: ReplicaRequest, answer: Answer, handle: ReplicaService["handle"]) => boolean,
  ): void {
    const service = this.at(zone);
    const handle = service.handle.bind(service);
    service.handle = (request, answer) => {
      if (!what(request, answer, handle)) return handle(request, answer);
      service.handle = handle;
    };
  }

  async close(): Promise<void> {
    for (const store of this.#stores) await store.close();
    for (const service of this.services.values()) await service.close();
  }
}

/** Refuses the next frame that comes to the zone: another writer is promised the next epoch before. */
export function refuseNextFrame(zones: TcpZones, zone: string, name = "another"): void {
  zones.intercept(zone, (request, answer, handle) => {
    if (request.kind !== "append" || request.frame === null) return false;
    handle(
      { kind: "promise", seq: 0, epoch: request.epoch + 1, writer: 1, name, committed: { index: 0, epoch: 0 } },
      () => undefined,
    );
    handle(request, answer);
    return true;
  });
}

/** Tries again while what fails may pass. */
export async function untilPassed<Result>(attempt: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error as JournalError).isPassing) throw error;
    }
  }
}
