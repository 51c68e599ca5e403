/** Passwords that take no time, and tokens, for what is tested beside them. */
import type { Sessions } from "../../server/api/services.ts";
import type { Engine } from "../../server/engine/engine.ts";
import { AuthTokens } from "../../server/session/auth-tokens.ts";
import { LOOP_HASHER } from "../../server/session/hasher.ts";
import { Passwords } from "../../server/session/passwords.ts";
import type { PasswordsOptions } from "../../server/session/passwords.ts";
import { ManualClock } from "../sim/manual-clock.ts";

const CHEAPEST = 4;

export function cheapPasswords(options: Partial<PasswordsOptions> = {}): Passwords {
  const onFailed = (error: unknown): void => {
    throw error;
  };
  return new Passwords({ hasher: LOOP_HASHER, clock: new ManualClock(), cost: CHEAPEST, onFailed, ...options });
}

export function sessionsOf({ keyspace }: Engine): Sessions {
  return { tokens: new AuthTokens(keyspace.auth, new ManualClock(), 300_000), hasher: LOOP_HASHER };
}

/** What a version that had scrypt has kept of the password `secret`. */
export const SCRYPT_OF_SECRET = "scrypt$MDEyMzQ1Njc4OWFiY2RlZg==$41uBuEIHgVau41v1q9BTZzisnSi/olB0DbA83e36fiY=";
