import { createSigner } from "fast-jwt";
import { expect, test } from "vitest";
import { AUTH_REVISION_OLD } from "../../../partitions/refusals.ts";
import { Callers } from "../../../server/api/callers.ts";
import { JwtTokens } from "../../../server/session/jwt-tokens.ts";
import { newEngine, NO_LOG } from "../../support/engines.ts";

const KEY = "a secret that two clusters share";

test("a token that tells an auth revision which is yet to come does nothing, not even what only root may", async () => {
  const { keyspace } = newEngine();
  const { auth } = keyspace;
  auth.addUser("root", null);
  auth.addRole("root");
  auth.grantRole("root", "root");
  auth.enable();
  const keys = { method: "HS256", ttlMs: 300_000, signWith: KEY, verifyWith: KEY };
  const callers = new Callers(keyspace, await JwtTokens.open(auth, Date.now, keys), NO_LOG);
  const sign = createSigner({ key: KEY, algorithm: "HS256", noTimestamp: true });
  const callAt = (revision: number) => {
    return { metadata: { clientApiVersion: null, hasLeader: false, token: sign({ username: "root", revision }) } };
  };
  const now = auth.revision;
  expect(callers.identify(callAt(now + 1))).toBe(AUTH_REVISION_OLD);
  expect(callers.refuseAdmin(callAt(now + 1))).toBe(AUTH_REVISION_OLD);
  expect(callers.refuseNobody(callAt(now + 1))).toBe(AUTH_REVISION_OLD);
  expect(callers.refuseAdmin(callAt(now))).toBe(null);
  // Whose signature is known already.
  auth.addRole("another");
  expect(callers.refuseAdmin(callAt(now + 1))).toBe(null);
});
