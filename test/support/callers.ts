/** Callers of a keyspace, for services that are tested without a server around them. */
import type { Keyspace } from "../../partitions/keyspace.ts";
import { Callers } from "../../server/api/callers.ts";
import { AuthTokens } from "../../server/session/auth-tokens.ts";
import { NO_LOG } from "./engines.ts";
import { ManualClock } from "../sim/manual-clock.ts";

export function callersOf(keyspace: Keyspace): Callers {
  return new Callers(keyspace, new AuthTokens(keyspace.auth, new ManualClock(), 300_000), NO_LOG);
}
