/**
 * Hashes passwords with scrypt, which is slow on purpose. It works in the thread pool that also writes the journal, so
 * only one is worked on at a time, and others wait for their turn.
 *
 *   scrypt $ salt $ hash     both in base64
 */
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { PASSWORDS_WAITING_MAX } from "./limits.ts";

const SCHEME = "scrypt";
const SALT_BYTES = 16;
const HASH_BYTES = 32;
/** 16 MiB of memory and some 50 ms, as OWASP's password storage advice has it for this cost. */
const COST = { N: 16_384, r: 8, p: 1 };

export class Passwords {
  readonly #waitingMax: number;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(waitingMax: number = PASSWORDS_WAITING_MAX) {
    this.#waitingMax = waitingMax;
  }

  /** Whether no more work is taken. To be asked before each call of the other methods. */
  get isBusy(): boolean {
    return this.#waiting >= this.#waitingMax;
  }

  /** What to keep of a password. Two hashes of the same password differ. */
  async hash(password: string): Promise<string> {
    const salt = randomBytes(SALT_BYTES);
    const hash = await this.#inTurn(password, salt);
    return [SCHEME, salt.toString("base64"), hash.toString("base64")].join("$");
  }

  /** Whether `hash` was made of that password. */
  async matches(password: string, hash: string): Promise<boolean> {
    const [scheme, salt, expected] = hash.split("$");
    if (scheme !== SCHEME) return false;
    const actual = await this.#inTurn(password, Buffer.from(salt, "base64"));
    return timingSafeEqual(actual, Buffer.from(expected, "base64"));
  }

  #inTurn(password: string, salt: Buffer): Promise<Buffer> {
    this.#waiting++;
    const hashed = this.#last.then(() => derive(password, salt));
    this.#last = hashed.catch(() => {}).finally(() => this.#waiting--);
    return hashed;
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
