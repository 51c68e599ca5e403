/** What the machine gives and may run out of, for the log and the metrics: descriptors, and room on the journal's disks. */
import type { Clock } from "../clock.ts";
import { clientConnectionsMax, descriptorLimit } from "./descriptors.ts";
import { DiskRoom } from "./disk-room.ts";
import { LimitedLog } from "./limited-log.ts";
import type { Logger } from "./logger.ts";

export interface HostResourcesOptions {
  /** Where the journal's replicas lie, as far as they lie here. */
  readonly directories: readonly string[];
  /** How many there are anywhere. */
  readonly replicas: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** So many directories do not exist any more that no majority of them does. Called once. */
  readonly onGone: (error: Error) => void;
}

export class HostResources {
  readonly descriptorLimit = descriptorLimit();
  /** Connections that were closed at once, as too many were open. */
  connectionsRefused = 0;
  readonly #rooms: readonly DiskRoom[];
  readonly #log: LimitedLog;
  #isLost = false;

  constructor(options: HostResourcesOptions) {
    const { directories, replicas, onGone, ...shared } = options;
    this.#log = new LimitedLog(options.logger, options.clock);
    this.#rooms = directories.map(
      (directory) =>
        new DiskRoom({
          ...shared,
          directory,
          onGone: (error) => {
            const gone = this.#rooms.filter(({ isGone }) => isGone).length;
            if (2 * gone < replicas) this.#log.warn({ error }, "a directory of the journal is gone");
            else if (!this.#isLost) {
              this.#isLost = true;
              onGone(error);
            }
          },
        }),
    );
  }

  get diskFreeBytes(): number {
    return this.#fullest.freeBytes;
  }

  get diskTotalBytes(): number {
    return this.#fullest.totalBytes;
  }

  /** How many connections clients may have, when there are descriptors for so many. */
  connectionsMax(wanted: number): number {
    return clientConnectionsMax(this.descriptorLimit, wanted);
  }

  /** A connection was closed at once, since as many were open as its address, or all addresses for clients, may have. */
  refuse(connectionsMax: number): void {
    this.connectionsRefused++;
    this.#log.warn({ "connections-max": connectionsMax }, "connection refused: too many are open");
  }

  /** A connection could not be accepted, for want of descriptors or memory. */
  fail(error: Error): void {
    this.#log.warn({ error }, "connection not accepted");
  }

  /** Watches the disks from now on. */
  async begin(): Promise<void> {
    await Promise.all(this.#rooms.map((room) => room.begin()));
  }

  stop(): void {
    for (const room of this.#rooms) room.stop();
  }

  /** That with the least room. */
  get #fullest(): DiskRoom {
    return this.#rooms.reduce((least, room) => (room.freeBytes < least.freeBytes ? room : least));
  }
}
