/** What the machine gives and may run out of, for the log and the metrics: descriptors, and room on the journal's disk. */
import type { Clock } from "../clock.ts";
import { clientConnectionsMax, descriptorLimit } from "./descriptors.ts";
import { DiskRoom } from "./disk-room.ts";
import { LimitedLog } from "./limited-log.ts";
import type { Logger } from "./logger.ts";

export interface HostResourcesOptions {
  /** Where the journal lies. */
  readonly directory: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The directory does not exist any more. */
  readonly onGone: (error: Error) => void;
}

export class HostResources {
  readonly descriptorLimit = descriptorLimit();
  /** Connections that were closed at once, as too many were open. */
  connectionsRefused = 0;
  readonly #room: DiskRoom;
  readonly #log: LimitedLog;

  constructor(options: HostResourcesOptions) {
    this.#room = new DiskRoom(options);
    this.#log = new LimitedLog(options.logger, options.clock);
  }

  get diskFreeBytes(): number {
    return this.#room.freeBytes;
  }

  get diskTotalBytes(): number {
    return this.#room.totalBytes;
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

  /** Watches the disk from now on. The directory exists. */
  begin(): Promise<void> {
    return this.#room.begin();
  }

  stop(): void {
    this.#room.stop();
  }
}
