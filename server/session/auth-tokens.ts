/**
 * The tokens of users that have authenticated: random texts that mean nothing elsewhere, as etcd's simple tokens. They
 * are in memory only, so clients authenticate again after a restart, which they do by themselves.
 *
 * A token ends when it was not used for --auth-token-ttl, when its user is deleted or gets another password, and when
 * authentication is disabled.
 */
import { randomBytes } from "node:crypto";
import type { Identity } from "../../partitions/auth/authorization.ts";
import type { Auth, User } from "../../partitions/auth/auth.ts";
import type { Clock } from "../clock.ts";
import { AUTH_TOKENS_MAX } from "../limits.ts";
import type { Tokens } from "./tokens.ts";

/** Nobody guesses 192 bits, and base64 makes 32 letters of them. */
const TOKEN_BYTES = 24;

interface Session {
  readonly name: string;
  /** That of the password with which it was got. */
  readonly passwordNumber: number;
  readonly enabledAt: number;
  readonly usedAtMs: number;
}

export class AuthTokens implements Tokens {
  readonly #auth: Auth;
  readonly #clock: Clock;
  readonly #ttlMs: number;
  /** In the order of their last use. */
  readonly #sessions = new Map<string, Session>();

  /** @param ttlMs how long a token may lie unused */
  constructor(auth: Auth, clock: Clock, ttlMs: number) {
    this.#auth = auth;
    this.#clock = clock;
    this.#ttlMs = ttlMs;
  }

  /** Makes a token for a user who has proved to be it. When there are too many, the one that lay unused longest goes. */
  assign(user: User): string {
    this.#dropExpired();
    const token = randomBytes(TOKEN_BYTES).toString("base64url");
    this.#use(token, { ...user, enabledAt: this.#auth.enabledAt });
    if (this.#sessions.size > AUTH_TOKENS_MAX) this.#dropOldest();
    return token;
  }

  /** With the auth revision of now: what changes it ends the token where that has to be. */
  identify(token: string): Identity | null {
    const session = this.#sessions.get(token);
    if (session === undefined) return null;
    this.#sessions.delete(token);
    if (!this.#isAlive(session)) return null;
    this.#use(token, session);
    return { name: session.name, authRevision: this.#auth.revision };
  }

  #use(token: string, { name, passwordNumber, enabledAt }: Omit<Session, "usedAtMs">): void {
    this.#sessions.set(token, { name, passwordNumber, enabledAt, usedAtMs: this.#clock.nowMs() });
  }

  #isAlive({ name, passwordNumber, enabledAt, usedAtMs }: Session): boolean {
    if (this.#clock.nowMs() - usedAtMs > this.#ttlMs) return false;
    return enabledAt === this.#auth.enabledAt && this.#auth.user(name)?.passwordNumber === passwordNumber;
  }

  #dropExpired(): void {
    for (const [token, session] of this.#sessions) {
      if (this.#isAlive(session)) return;
      this.#sessions.delete(token);
    }
  }

  #dropOldest(): void {
    for (const token of this.#sessions.keys()) {
      this.#sessions.delete(token);
      return;
    }
  }
}
