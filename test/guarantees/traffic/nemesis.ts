/** Ends the server again and again, mostly by a kill at a moment at which something is half done. */
import { watch as watchFolder } from "node:fs/promises";
import { TTL_SECONDS } from "./lease-client.ts";
import type { Random } from "./random.ts";
import type { KilledServer } from "./killed-server.ts";
import { delay } from "../../support/delay.ts";

/** The moments, and how many milliseconds behind them the kill may come. */
const MOMENTS = {
  /** Any time at all. */
  "any time": 1_500,
  /** A compaction is on its way. */
  compaction: 8,
  /** The journal began a new segment. */
  "segment roll": 5,
  /** The leases of the last run, which began anew with this one, run out and are revoked. */
  "lease end": 700,
  /** A write is on its way. */
  write: 4,
  /** A write was answered just now. */
  answer: 0,
  /** Nobody reads any more: writes are committed and answered, and their outcome stays unknown to the clients. */
  "unheard answers": 200,
  /** Any time, too, but the server is asked to end. */
  "polite stop": 0,
};

export type Moment = keyof typeof MOMENTS;

/** A moment that does not come is given up. */
const WAIT_MILLISECONDS_MAX = 4_000;
/** Time to write before the next kill. */
const PEACE_MILLISECONDS_MAX = 1_500;
/** How long a server may have to come up before it is killed again. */
const STARTING_MILLISECONDS_MAX = 900;

export class Nemesis {
  /** The kills so far, each named after its moment. */
  readonly kills: string[] = [];
  stops = 0;
  readonly #subject: KilledServer;
  readonly #random: Random;
  /** Moments yet to come, so that each has its turn. */
  #moments: Moment[] = [];

  constructor(subject: KilledServer, random: Random) {
    this.#subject = subject;
    this.#random = random;
  }

  /** One time of peace and one end of the server, after which it runs again. */
  async strike(): Promise<void> {
    await delay(this.#random.integer(300, PEACE_MILLISECONDS_MAX));
    const moment = this.#nextMoment();
    await this.#comes(moment);
    const milliseconds = this.#random.next() * MOMENTS[moment];
    if (milliseconds >= 1) await delay(milliseconds);
    if (moment === "polite stop") {
      await this.#subject.end("stop");
      this.stops++;
    } else {
      await this.#subject.end("kill");
      this.kills.push(moment);
    }
    if (this.#random.once(4)) {
      await this.#subject.startAndKill(this.#random.integer(50, STARTING_MILLISECONDS_MAX));
      this.kills.push("start");
    }
    await this.#subject.restart();
  }

  #nextMoment(): Moment {
    if (this.#moments.length === 0) this.#moments = Object.keys(MOMENTS) as Moment[];
    const index = this.#random.integer(0, this.#moments.length);
    return this.#moments.splice(index, 1)[0];
  }

  async #comes(moment: Moment): Promise<void> {
    switch (moment) {
      case "any time":
      case "polite stop":
        return;
      case "segment roll":
        return this.#segmentRolls();
      case "lease end":
        return delay(Math.max(0, TTL_SECONDS * 1_000 - this.#subject.uptimeMs));
      case "unheard answers":
        return this.#subject.deafen();
      default:
        return this.#subject.next(moment, WAIT_MILLISECONDS_MAX);
    }
  }

  async #segmentRolls(): Promise<void> {
    const signal = AbortSignal.timeout(WAIT_MILLISECONDS_MAX);
    try {
      for await (const { filename } of watchFolder(this.#subject.journalDirectory, { signal })) {
        if (filename?.endsWith(".seg")) return;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}
