/**
 * Hashes passwords, which is slow on purpose: one is worked on at a time, and others wait for their turn: users by turns, and
 * the connections of each, so that a client with many wrong passwords delays only its own. Clients that do not wait that long,
 * and try again, must not keep it busy with what nobody wants any more.
 *
 * What is kept of one is bcrypt's text, as in etcd. Earlier versions kept another, which is still known:
 *
 *   scrypt $ salt $ hash     both in base64
 */
import { scrypt, timingSafeEqual } from "node:crypto";
import type { Clock } from "../clock.ts";
import {
  PASSWORD_BYTES_MAX,
  PASSWORD_LOOK_MS,
  PASSWORDS_WAITING_MAX,
  PASSWORDS_WAITING_PER_USER_MAX,
} from "../limits.ts";
import { FairQueue } from "./fair-queue.ts";
import type { Hasher } from "./hasher.ts";

const SCRYPT = "scrypt$";
const SCRYPT_TEXT = /^scrypt\$([A-Za-z0-9+/]+=*)\$([A-Za-z0-9+/]{43}=)$/;
const SCRYPT_HASH_BYTES = 32;
const SCRYPT_COST = { N: 16_384, r: 8, p: 1 };

/** For whom a password is worked on. */
export interface PasswordCaller {
  /** The user whose password it is, or who sets it; empty for nobody. */
  readonly user: string;
  /** What stands for the client's connection. */
  readonly connection: unknown;
  /** Asked when its turn comes, and from time to time in it; when it says no, no work is done. */
  isWanted(): boolean;
}

interface Job {
  readonly work: () => Promise<unknown>;
  /** Gives it up; false when it cannot be. */
  readonly drop: () => boolean;
  readonly caller: PasswordCaller;
  /** With null when the work is not done. */
  readonly resolve: (result: unknown) => void;
}

export interface PasswordsOptions {
  readonly hasher: Hasher;
  readonly clock: Clock;
  /** Of a new hash: each more doubles the work. */
  readonly cost: number;
  /** Told of work that could not be done. */
  readonly onFailed: (error: unknown) => void;
  readonly waitingMax?: number;
  readonly perUserMax?: number;
}

export class Passwords {
  readonly #hasher: Hasher;
  readonly #clock: Clock;
  readonly #cost: number;
  readonly #onFailed: (error: unknown) => void;
  readonly #waiting: FairQueue<Job>;
  #isWorking = false;

  constructor({ hasher, clock, cost, onFailed, waitingMax, perUserMax }: PasswordsOptions) {
    this.#hasher = hasher;
    this.#clock = clock;
    this.#cost = cost;
    this.#onFailed = onFailed;
    this.#waiting = new FairQueue(waitingMax ?? PASSWORDS_WAITING_MAX, perUserMax ?? PASSWORDS_WAITING_PER_USER_MAX);
  }

  /**
   * What to keep of a password, or null when too many wait, nobody wants it any more, or it cannot be worked on now. Two hashes
   * of one differ.
   */
  hash(password: string, caller: PasswordCaller): Promise<string | null> {
    return this.#hashing(() => this.#hasher.hash(password, this.#cost), caller);
  }

  /** Whether `hash` was made of that password; null as above. */
  async matches(password: string, hash: string, caller: PasswordCaller): Promise<boolean | null> {
    if (isOld(hash)) {
      if (Buffer.byteLength(password) > PASSWORD_BYTES_MAX) return false;
      return this.#inTurn(
        () => matchesScrypt(password, hash),
        caller,
        () => false,
      );
    }
    // The size of what waits counts. A letter takes a byte at least; the last one of these may be the half of one.
    const beginning = password.slice(0, PASSWORD_BYTES_MAX + 1);
    return this.#hashing(() => this.#hasher.matches(beginning, hash), caller);
  }

  #hashing<Result>(work: () => Promise<Result>, caller: PasswordCaller): Promise<Result | null> {
    return this.#inTurn(work, caller, () => this.#hasher.drop());
  }

  #inTurn<Result>(work: () => Promise<Result>, caller: PasswordCaller, drop: () => boolean): Promise<Result | null> {
    return new Promise((resolve) => {
      // Cast: it is given what `work` gives.
      const job = { work, drop, caller, resolve: resolve as (result: unknown) => void };
      this.#waiting.add(caller.user, caller.connection, job)?.resolve(null);
      this.#next();
    });
  }

  #next(): void {
    while (!this.#isWorking) {
      const job = this.#waiting.take();
      if (job === null) return;
      if (job.caller.isWanted()) this.#work(job);
      else job.resolve(null);
    }
  }

  #work(job: Job): void {
    this.#isWorking = true;
    const ended = (): void => {
      look.cancel();
      this.#isWorking = false;
      this.#next();
    };
    const lookLater = () =>
      this.#clock.after(PASSWORD_LOOK_MS, () => {
        look = lookLater();
        if (job.caller.isWanted() || !job.drop()) return;
        job.resolve(null);
        // What was given up is not heard of again.
        ended();
      });
    let look = lookLater();
    const failed = (error: unknown): void => {
      this.#onFailed(error);
      job.resolve(null);
    };
    void job.work().then(job.resolve, failed).finally(ended);
  }
}

/** Whether it was made by an earlier version, and is to be made anew when its password is known. */
export function isOld(hash: string): boolean {
  return hash.startsWith(SCRYPT);
}

async function matchesScrypt(password: string, hash: string): Promise<boolean> {
  const text = SCRYPT_TEXT.exec(hash);
  if (text === null) return false;
  const [, salt, expected] = text;
  const actual = await deriveScrypt(password, Buffer.from(salt, "base64"));
  return timingSafeEqual(actual, Buffer.from(expected, "base64"));
}

/** In the thread pool. */
function deriveScrypt(password: string, salt: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password, salt, SCRYPT_HASH_BYTES, SCRYPT_COST, (error, hash) => {
      if (error === null) resolve(hash);
      else reject(error);
    });
  });
}
