/**
 * Hashes passwords with scrypt, which is slow on purpose. It works in the thread pool that also writes the journal, so
 * only one is worked on at a time, and others wait for their turn. Clients that do not wait that long, and try again, must not
 * keep it busy with what nobody wants any more.
 *
 *   scrypt $ salt $ hash     both in base64
 */
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { PASSWORDS_WAITING_MAX } from "../limits.ts";

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

  /**
   * What to keep of a password. Two hashes of the same password differ.
   *
   * @param isWanted asked when its turn comes; when it says no, null is given and no work is done
   */
  async hash(password: string, isWanted: () => boolean): Promise<string | null> {
    const salt = randomBytes(SALT_BYTES);
    const hash = await this.#inTurn(password, salt, isWanted);
    return hash === null ? null : [SCHEME, salt.toString("base64"), hash.toString("base64")].join("$");
  }

  /** Whether `hash` was made of that password, and the answer still wanted. */
  async matches(password: string, hash: string, isWanted: () => boolean): Promise<boolean> {
    const [scheme, salt, expected] = hash.split("$");
    if (scheme !== SCHEME) return false;
    const actual = await this.#inTurn(password, Buffer.from(salt, "base64"), isWanted);
    return actual !== null && timingSafeEqual(actual, Buffer.from(expected, "base64"));
  }

  #inTurn(password: string, salt: Buffer, isWanted: () => boolean): Promise<Buffer | null> {
    this.#waiting++;
    const hashed = this.#last.then(() => (isWanted() ? derive(password, salt) : null));
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
