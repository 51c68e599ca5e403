/**
 * A replica in this process, and the way to it. Nobody else can reach it while its directory is locked, so it need not be
 * asked for a lease.
 */
import assert from "node:assert/strict";
import type { JournalError } from "../journal.ts";
import type { DirectoryLog } from "../replica/directory-log.ts";
import { LogCursor } from "../replica/log-cursor.ts";
import type { Link, LinkListener, Rot } from "../replica/messages.ts";
import type { ReplicaHostListener, ReplicaHostOptions } from "../replica/replica-host.ts";
import { ReplicaHost } from "../replica/replica-host.ts";
import type { Turns } from "../time.ts";

export interface LocalReplicaOptions extends Omit<ReplicaHostOptions, "listener"> {
  readonly zone: string;
  readonly turns: Turns;
  /** Told why the replica does not answer, or waits for its disk, and with null: it is well again. */
  readonly onTrouble?: (zone: string, trouble: JournalError | null) => void;
  /** Told what is not intact in the replica's files, run by run, and with null: all is. */
  readonly onRot?: ((zone: string, rot: Rot | null) => void) | undefined;
}

export class LocalReplica {
  readonly zone: string;
  readonly host: ReplicaHost;
  readonly #turns: Turns;
  readonly #forward: Forward;

  private constructor(zone: string, host: ReplicaHost, turns: Turns, forward: Forward) {
    this.zone = zone;
    this.host = host;
    this.#turns = turns;
    this.#forward = forward;
  }

  /** @throws JournalError as `ReplicaHost.open` */
  static async open(options: LocalReplicaOptions): Promise<LocalReplica> {
    const { zone, turns } = options;
    const forward: Forward = { listener: null };
    const host = await ReplicaHost.open({ ...options, listener: hostListener(options, forward) });
    return new LocalReplica(zone, host, turns, forward);
  }

  /** One whose directory could not be opened: it is tried again, as far as that may help. */
  static openLater(options: LocalReplicaOptions, trouble: JournalError): LocalReplica {
    const { zone, turns } = options;
    const forward: Forward = { listener: null };
    const host = ReplicaHost.openLater({ ...options, listener: hostListener(options, forward) }, trouble);
    return new LocalReplica(zone, host, turns, forward);
  }

  /** The log of a replica that was opened. */
  get log(): DirectoryLog {
    const { log } = this.host;
    assert(log !== null, "a replica that was opened has a log");
    return log;
  }

  /**
   * Reads the log from there on; null while it cannot be read.
   *
   * @throws JournalError `ERR_TRIMMED`
   */
  cursorAt(position: number): LogCursor | null {
    const { log } = this.host;
    return log === null ? null : new LogCursor(log, position);
  }

  /** One at a time. */
  connect(listener: LinkListener): Link {
    const { host } = this;
    const forward = this.#forward;
    forward.listener = listener;
    this.#turns.later(() => {
      if (forward.listener !== listener) return;
      listener.onUp(host.isUp, host.trouble);
      if (host.stalledBy !== null) listener.onStalled(host.stalledBy);
      listener.onRotten(host.rot);
    });
    return {
      send: (request) => host.handle(request, (answer) => listener.onAnswer(answer)),
      close: () => {
        if (forward.listener === listener) forward.listener = null;
      },
    };
  }

  close(): Promise<void> {
    return this.host.close();
  }
}

function hostListener({ zone, onTrouble, onRot }: LocalReplicaOptions, forward: Forward): ReplicaHostListener {
  return {
    onUp(reason) {
      onTrouble?.(zone, reason);
      forward.listener?.onUp(reason === null, reason);
    },
    onGone(reason) {
      onTrouble?.(zone, reason);
      forward.listener?.onGone(reason);
    },
    onStalled(reason) {
      onTrouble?.(zone, reason);
      forward.listener?.onStalled(reason);
    },
    onReleased: (epoch) => forward.listener?.onReleased(epoch),
    onPromised: (epoch, name) => forward.listener?.onPromised(epoch, name),
    onRotten(rot) {
      onRot?.(zone, rot);
      forward.listener?.onRotten(rot);
    },
  };
}

/** Who is told, which the host does not know when it is opened. */
interface Forward {
  listener: LinkListener | null;
}
