/**
 * Tokens that say themselves for whom they are, signed by a key of the operator's: JSON web tokens with etcd's claims. They are
 * known by every server that has the key, and after a restart.
 *
 *     {"username":"amy","revision":7,"exp":1767225600}
 *
 * A token ends at its time alone. It tells the auth revision at which it was given, and who comes with an older one than there
 * is now is told to get another.
 */
import type { Identity } from "../../partitions/auth/authorization.ts";
import type { Auth, User } from "../../partitions/auth/auth.ts";
import { AUTH_NAME_BYTES_MAX, JWT_KNOWN_MAX } from "../limits.ts";
import type { Tokens } from "./tokens.ts";

/** What a journal record can tell. */
const REVISION_MAX = 2 ** 48 - 1;

interface Keys {
  readonly method: string;
  readonly ttlMs: number;
  readonly signWith: string | Buffer | null;
  readonly verifyWith: string | Buffer;
}

interface Known {
  readonly identity: Identity;
  /** In Unix ms; Infinity for one without an end. */
  readonly untilMs: number;
}

/** Gives the claims of a token whose signature and times are right. Throws for any other. */
type Verify = (token: string) => unknown;
type Sign = (claims: object) => string;

export class JwtTokens implements Tokens {
  readonly #auth: Auth;
  readonly #wallMs: () => number;
  readonly #ttlMs: number;
  readonly #verify: Verify;
  readonly #sign: Sign | null;
  /** Those whose signature was right, which takes long to see. In the order in which they were first seen. */
  readonly #known = new Map<string, Known>();

  /** Loads the library, which others need not have. */
  static async open(auth: Auth, wallMs: () => number, keys: Keys): Promise<JwtTokens> {
    const { createSigner, createVerifier } = await import("fast-jwt");
    const { method, signWith, verifyWith, ttlMs } = keys;
    // Cast: the settings were read from the list of these.
    const algorithm = method as "HS256";
    const verify = createVerifier({ key: verifyWith, algorithms: [algorithm] });
    const sign = signWith === null ? null : createSigner({ key: signWith, algorithm, noTimestamp: true });
    return new JwtTokens(auth, wallMs, ttlMs, verify, sign);
  }

  private constructor(auth: Auth, wallMs: () => number, ttlMs: number, verify: Verify, sign: Sign | null) {
    this.#auth = auth;
    this.#wallMs = wallMs;
    this.#ttlMs = ttlMs;
    this.#verify = verify;
    this.#sign = sign;
  }

  assign({ name }: User): string | null {
    const exp = Math.floor((this.#wallMs() + this.#ttlMs) / 1_000);
    return this.#sign === null ? null : this.#sign({ username: name, revision: this.#auth.revision, exp });
  }

  identify(token: string): Identity | null {
    const known = this.#known.get(token);
    if (known !== undefined) {
      if (this.#wallMs() < known.untilMs) return known.identity;
      this.#known.delete(token);
    }
    const identified = this.#read(token);
    if (identified === null) return null;
    this.#known.set(token, identified);
    if (this.#known.size > JWT_KNOWN_MAX) this.#dropOldest();
    return identified.identity;
  }

  #read(token: string): Known | null {
    let claims: unknown;
    try {
      claims = this.#verify(token);
    } catch {
      return null;
    }
    if (typeof claims !== "object" || claims === null) return null;
    const { username, revision, exp } = claims as Readonly<Record<string, unknown>>;
    if (typeof username !== "string" || Buffer.byteLength(username) > AUTH_NAME_BYTES_MAX) return null;
    if (typeof revision !== "number" || !(revision >= 0 && revision <= REVISION_MAX)) return null;
    const untilMs = typeof exp === "number" ? exp * 1_000 : Number.POSITIVE_INFINITY;
    return { identity: { name: username, authRevision: Math.trunc(revision) }, untilMs };
  }

  #dropOldest(): void {
    for (const token of this.#known.keys()) {
      this.#known.delete(token);
      return;
    }
  }
}
