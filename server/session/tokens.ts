/** What stands for a user who has authenticated, whatever the server makes of it. */
import type { Identity } from "../../partitions/auth/authorization.ts";
import type { User } from "../../partitions/auth/auth.ts";

export interface Tokens {
  /** Makes a token for a user who has proved to be it; null where tokens are only verified. */
  assign(user: User): string | null;
  /** Whom it stands for, or null when it is none, or none any more. Counts as a use. */
  identify(token: string): Identity | null;
}
