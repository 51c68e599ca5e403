/**
 * Hashes passwords with scrypt, which is slow on purpose. It works in the thread pool that also writes the journal, so
 * only one is worked on at a time, and others wait for their turn: users by turns, and the connections of each, so that a
 * client with many wrong passwords delays only its own. Clients that do not wait that long, and try again, must not keep
 * it busy with what nobody wants any more.
 *
 *   scrypt $ salt $ hash     both in base64
 */
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { PASSWORDS_WAITING_MAX, PASSWORDS_WAITING_PER_USER_MAX } from "../limits.ts";
import { FairQueue } from "./fair-queue.ts";

const SCHEME = "scrypt";
const SALT_BYTES = 16;
const HASH_BYTES = 32;
/** 16 MiB of memory and some 50 ms, as OWASP's password storage advice has it for this cost. */
const COST = { N: 16_384, r: 8, p: 1 };

/** For whom a password is worked on. */
export interface PasswordCaller {
  /** The user whose password it is, or who sets it; empty for nobody. */
  readonly user: string;
  /** What stands for the client's connection. */
  readonly connection: unknown;
  /** Asked when its turn comes; when it says no, no work is done. */
  isWanted(): boolean;
}

interface Job {
  readonly password: string;
  readonly salt: Buffer;
  readonly caller: PasswordCaller;
  /** Null for a job that is not done. */
  readonly resolve: (hash: Promise<Buffer> | null) => void;
}

export class Passwords {
  readonly #waiting: FairQueue<Job>;
  #isWorking = false;

  constructor(waitingMax: number = PASSWORDS_WAITING_MAX, perUserMax: number = PASSWORDS_WAITING_PER_USER_MAX) {
    this.#waiting = new FairQueue(waitingMax, perUserMax);
  }

  /** What to keep of a password, or null when too many wait, or nobody wants it any more. Two hashes of one differ. */
  async hash(password: string, caller: PasswordCaller): Promise<string | null> {
    const salt = randomBytes(SALT_BYTES);
    const hash = await this.#inTurn(password, salt, caller);
    return hash === null ? null : [SCHEME, salt.toString("base64"), hash.toString("base64")].join("$");
  }

  /** Whether `hash` was made of that password; null as above. */
  async matches(password: string, hash: string, caller: PasswordCaller): Promise<boolean | null> {
    const [scheme, salt, expected] = hash.split("$");
    if (scheme !== SCHEME) return false;
    const actual = await this.#inTurn(password, Buffer.from(salt, "base64"), caller);
    return actual === null ? null : timingSafeEqual(actual, Buffer.from(expected, "base64"));
  }

  #inTurn(password: string, salt: Buffer, caller: PasswordCaller): Promise<Buffer | null> {
    return new Promise((resolve) => {
      const displaced = this.#waiting.add(caller.user, caller.connection, { password, salt, caller, resolve });
      displaced?.resolve(null);
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

  #work({ password, salt, resolve }: Job): void {
    this.#isWorking = true;
    const hash = derive(password, salt);
    const ended = (): void => {
      this.#isWorking = false;
      this.#next();
    };
    hash.then(ended, ended);
    resolve(hash);
  }
}

function derive(password: string, salt: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password, salt, HASH_BYTES, COST, (error, hash) => {
      if (error === null) resolve(hash);
      else reject(error);
    });
  });
}
