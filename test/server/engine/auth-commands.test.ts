/** What stands in the journal of a change of users or roles does, in every replay, what the request did. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { Auth } from "../../../partitions/auth/auth.ts";
import type { AuthChange } from "../../../server/engine/auth-commands.ts";
import {
  AUTH,
  AUTH_DISABLE,
  AUTH_ENABLE,
  ROLE_ADD,
  ROLE_DELETE,
  ROLE_GRANT_PERMISSION,
  ROLE_REVOKE_PERMISSION,
  USER_ADD,
  USER_CHANGE_PASSWORD,
  USER_DELETE,
  USER_GRANT_ROLE,
  USER_REVOKE_ROLE,
} from "../../../server/engine/auth-commands.ts";
import type { AuthChangeType } from "../../../server/engine/auth-commands.ts";
import { decodeRecord, recordOf, withIdentity } from "../../../server/engine/record.ts";

const name = fc.constantFrom("root", "amy", "", "\0", "\ufeffamy", "zoë", "\u{1f600}", "__proto__", "constructor");
const bytes = fc.constantFrom("", "\0", "a", "b", "\xff").map((text) => Buffer.from(text, "latin1"));
const permType = fc.constantFrom(0, 1, 2, 3, -1, 2 ** 31 - 1);
const hashedPassword = fc.constantFrom("", "scrypt$a$b");

/** A change as it is executed when it was asked for, and as it stands in a record. */
interface Both {
  readonly asked: AuthChange;
  readonly record: Buffer;
}

function both<Request>(type: AuthChangeType<Request>, request: fc.Arbitrary<Request>): fc.Arbitrary<Both> {
  return request.map((fields) => {
    const asked = type.of(fields);
    return { asked, record: asked.encode() };
  });
}

const change = fc.oneof(
  both(AUTH_ENABLE, fc.constant({})),
  both(AUTH_DISABLE, fc.constant({})),
  both(
    USER_ADD,
    fc.record({
      name,
      password: fc.constant(""),
      options: fc.constantFrom(null, { noPassword: false }, { noPassword: true }),
      hashedPassword,
    }),
  ),
  both(USER_DELETE, fc.record({ name })),
  both(USER_CHANGE_PASSWORD, fc.record({ name, password: fc.constant(""), hashedPassword })),
  both(USER_GRANT_ROLE, fc.record({ user: name, role: name })),
  both(USER_REVOKE_ROLE, fc.record({ name, role: name })),
  both(ROLE_ADD, fc.record({ name })),
  both(ROLE_DELETE, fc.record({ role: name })),
  both(
    ROLE_GRANT_PERMISSION,
    fc.record({ name, perm: fc.option(fc.record({ permType, key: bytes, rangeEnd: bytes })) }),
  ),
  both(ROLE_REVOKE_PERMISSION, fc.record({ role: name, key: bytes, rangeEnd: bytes })),
);

function stateOf(auth: Auth): unknown {
  return {
    enabled: [auth.enabled, auth.enabledAt, auth.revision, auth.bytes],
    users: auth.userNames().map((each) => auth.userFacts(each)),
    roles: auth.roleNames().map((each) => [each, auth.role(each)]),
  };
}

test("a replay of changes comes to the same answers, users, roles, sizes and revisions", () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60, size: "max" }), (changes) => {
      const [served, replayed] = [new Auth(), new Auth()];
      for (const { asked, record } of changes) {
        expect(AUTH.decode(record).execute(replayed)).toBe(asked.execute(served));
      }
      expect(stateOf(replayed)).toEqual(stateOf(served));
      for (const each of served.roleNames()) served.deleteRole(each);
      served.disable();
      for (const each of [...served.userNames(), ...served.roleNames()]) {
        served.deleteUser(each);
        served.deleteRole(each);
      }
      expect(served.bytes).toBe(0);
    }),
  );
});

test("a record names its user in any letters, and the change behind the name is the same", () => {
  fc.assert(
    fc.property(name, fc.nat(), change, (user, authRevision, { record }) => {
      const plain = recordOf(AUTH, record);
      expect(decodeRecord(plain)).toMatchObject({ kind: AUTH, identity: null });
      const named = withIdentity(plain, { name: user, authRevision });
      const identity = { name: user, authRevision };
      expect(decodeRecord(named)).toMatchObject({ kind: AUTH, identity });
      expect(named.subarray(-record.length)).toEqual(record);
      // Cut off within its name it is no record of somebody else.
      const nameEnd = named.length - record.length;
      if (nameEnd > 11) expect(() => decodeRecord(named.subarray(0, nameEnd - 1))).toThrow("within its record");
    }),
  );
});
