/**
 * Who makes a call, and whether it may. While authentication is disabled every call may, and tokens are not looked at
 * (contract §3.2, §9.3).
 */
import type { Auth } from "../../partitions/auth/auth.ts";
import type { Authorization, Identity } from "../../partitions/auth/authorization.ts";
import type { Keyspace } from "../../partitions/keyspace.ts";
import { AUTH_REVISION_OLD, Refusal } from "../../partitions/refusals.ts";
import type { EventLog } from "../engine/event-log.ts";
import type { Tokens } from "../session/tokens.ts";
import type { CallMetadata } from "../transport/service.ts";
import { INVALID_AUTH_TOKEN } from "./statuses.ts";

/** How the `authorization` header names its kind of token; etcd takes the bare token as well. */
const BEARER = "Bearer ";

/** A call as far as it can be refused. */
interface Call {
  readonly metadata: CallMetadata;
  readonly certifiedUser?: string | null;
}

export class Callers {
  readonly #auth: Auth;
  readonly #authorization: Authorization;
  readonly #tokens: Tokens;
  readonly #log: EventLog;

  constructor({ auth, authorization }: Keyspace, tokens: Tokens, log: EventLog) {
    this.#auth = auth;
    this.#authorization = authorization;
    this.#tokens = tokens;
    this.#log = log;
  }

  /**
   * The user of a call, null for nobody, or why it has no answer: a token that is none is worse than no token. Without one
   * the client's certificate says who it is. This is the one place that says who calls.
   */
  identify(call: Call): Identity | null | Refusal {
    if (!this.#auth.enabled) return null;
    const { token } = call.metadata;
    if (token === null) {
      const name = call.certifiedUser ?? null;
      return name === null ? null : { name, authRevision: this.#auth.revision };
    }
    const identity = this.#tokens.identify(token.startsWith(BEARER) ? token.slice(BEARER.length) : token);
    if (identity === null) {
      this.#log.warn({}, "invalid auth token");
      return INVALID_AUTH_TOKEN;
    }
    // One that is yet to come is of another cluster with the same keys, or of what was undone by a restore. What only root may
    // do asks for no revision, so that it has to be seen here.
    return identity.authRevision > this.#auth.revision ? AUTH_REVISION_OLD : identity;
  }

  /** The name of a call's user; empty for nobody, whatever the reason. */
  nameOf(call: Call): string {
    const identity = this.identify(call);
    return identity === null || identity instanceof Refusal ? "" : identity.name;
  }

  /**
   * Refuses a call that its user may not make, or gives null.
   *
   * @param refuse one of Authorization's checks
   */
  refuse(
    call: Call,
    refuse: (authorization: Authorization, identity: Identity | null) => Refusal | null,
  ): Refusal | null {
    if (!this.#auth.enabled) return null;
    const identity = this.identify(call);
    return identity instanceof Refusal ? identity : refuse(this.#authorization, identity);
  }

  /** Refuses who has not the root role. */
  refuseAdmin(call: Call): Refusal | null {
    return this.refuse(call, admin);
  }

  /** Refuses who is nobody. */
  refuseNobody(call: Call): Refusal | null {
    return this.refuse(call, nobody);
  }

  /** For a read of several turns: gives what refuses it when users or roles have changed since now. */
  beginRead(): () => Refusal | null {
    const auth = this.#auth;
    const { revision } = auth;
    return () => (auth.enabled && auth.revision !== revision ? AUTH_REVISION_OLD : null);
  }

  /** Refuses who may not read the range. */
  refuseRange(call: Call, key: Buffer, rangeEnd: Buffer): Refusal | null {
    if (!this.#auth.enabled) return null;
    return this.refuse(call, (authorization, identity) => authorization.refuseRange(identity, key, rangeEnd));
  }
}

const admin = (authorization: Authorization, identity: Identity | null): Refusal | null =>
  authorization.refuseAdmin(identity);

const nobody = (authorization: Authorization, identity: Identity | null): Refusal | null =>
  authorization.refuseNobody(identity);
