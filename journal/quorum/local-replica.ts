/**
 * A replica in this process, and the way to it. Nobody else can reach it while its directory is locked, so it need not be
 * asked for a lease.
 */
import type { Link, LinkListener } from "../replica/messages.ts";
import type { ReplicaHostOptions } from "../replica/replica-host.ts";
import { ReplicaHost } from "../replica/replica-host.ts";
import type { Turns } from "../time.ts";

export interface LocalReplicaOptions extends Omit<ReplicaHostOptions, "listener"> {
  readonly zone: string;
  readonly turns: Turns;
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
  static async open({ zone, turns, ...options }: LocalReplicaOptions): Promise<LocalReplica> {
    const forward: Forward = { listener: null };
    const host = await ReplicaHost.open({
      ...options,
      listener: {
        onUp: (reason) => forward.listener?.onUp(reason === null, reason),
        onGone: (reason) => forward.listener?.onGone(reason),
        onStalled: (reason) => forward.listener?.onStalled(reason),
        onReleased: (epoch) => forward.listener?.onReleased(epoch),
      },
    });
    return new LocalReplica(zone, host, turns, forward);
  }

  /** One at a time. */
  connect(listener: LinkListener): Link {
    const { host } = this;
    const forward = this.#forward;
    forward.listener = listener;
    this.#turns.later(() => {
      if (forward.listener === listener && host.isUp) listener.onUp(true, null);
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

/** Who is told, which the host does not know when it is opened. */
interface Forward {
  listener: LinkListener | null;
}
