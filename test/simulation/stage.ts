/** What a scenario needs of a system that is simulated. Each system has a file that builds it on a world. */
import type { Violation } from "../sim/world/history-check.ts";
import type { Machine } from "../sim/world/machine.ts";
import type { Network } from "../sim/world/network.ts";
import type { World } from "../sim/world/world.ts";

export interface Stage {
  readonly world: World;
  readonly network: Network;
  /** Who answers clients: one at a time, or all. */
  readonly servers: readonly Machine[];
  /** Who keeps the data; a majority decides. */
  readonly replicas: readonly Machine[];
  /** Clients, whose requests go on until `settle`. */
  readonly clients: readonly string[];
  /** Who serves answers alone for so long after it was last heard; 0: it asks each time. */
  readonly leaseMs: number;
  /** One of those that answer, as far as anybody knows; null when there is none. */
  serving(): Machine | null;
  /** Whether this one does, as far as it knows itself. */
  serves(server: Machine): boolean;
  /** Makes it the one that answers, whoever does now. */
  force(server: Machine): void;
  /** It stops serving in order, if it does serve; it runs on, and may be made to serve again. */
  retire(server: Machine): void;
  /** Whether acknowledged writes survive this; what a system says no to, no scenario does to it. */
  survives(fault: "power" | "full" | "error"): boolean;
  /**
   * Ends a replica and puts a blank disk in the place of its own.
   *
   * @returns false, and does nothing, when the system may not lose one now
   */
  lose(replica: Machine): boolean;
  /** Ends a replica and puts a disk back that it has lost before; what it has now may come back the same way. */
  putBack(replica: Machine): boolean;
  /**
   * Lets something rot on the disk of a replica that was durable there, or not be readable any more.
   *
   * @returns false, and does nothing, when the system may not bear that now
   */
  rot(replica: Machine): boolean;
  /** The same with the last that is durable there, as its power goes. */
  rotEnd(replica: Machine): Promise<boolean>;
  /** Whether each replica is one that counts, as whoever serves knows. */
  isWhole(): boolean;
  /** Whoever serves lets all replicas forget what was executed by now. */
  trim(): void;
  /**
   * When all faults are over: ends the clients, waits until somebody answers, and looks at everything.
   *
   * @returns what is wrong
   */
  settle(): Promise<readonly Violation[]>;
}

/** Builds a system with clients in a world, and starts it. */
export interface System {
  readonly name: string;
  build(world: World, needs?: Needs): Stage;
}

/** What is so in every world of a scenario, and in others if the dice say so. */
export interface Needs {
  /** The clocks of servers and of replicas are nearly as far apart as they may be, and leases are long. */
  readonly areClocksApart: boolean;
}

export interface Scenario {
  readonly name: string;
  readonly needs?: Needs;
  /** Does to the stage what it does, for as long as it takes. What it leaves broken is put right behind it. */
  play(stage: Stage): Promise<void>;
}
