/**
 * Commands about users, roles and permissions, and calls of all kinds made by those users, few enough of each that they
 * meet. A command names its RPC and has the request as protobufjs decodes it.
 */
import fc from "fast-check";

/** Whose token a call carries: that user's last one, none, or one that nobody was given. */
export type Caller = string | "nobody" | "stranger";

export const NOBODY = "nobody";
export const STRANGER = "stranger";

export interface AuthCommand {
  /** `Service/Method` of etcdserverpb. */
  readonly rpc: string;
  readonly request: Readonly<Record<string, unknown>>;
  readonly caller: Caller;
  /** Whether the token comes as `authorization: Bearer`. */
  readonly bearer: boolean;
}

/** Start revision of a watch that has something to tell: that of what happened last, a few revisions ago. */
export const RECENT = "recent";

/** Both servers end, and start again, which ends all tokens. */
export const RESTART = "restart";
export type AuthStep = AuthCommand | typeof RESTART;

export const ROOT = "root";
export const ROOT_PASSWORD = "root password";
const USERS = ["amy", "bob", "zoë"];
const ROLES = ["reader", "writer"];
const PASSWORDS = ["one", "two"];
const TOO_LONG = "p".repeat(73);

const NOTHING = Buffer.alloc(0);
const KEYS = ["\0", "a", "a\0", "b", "ba", "c", "d", "\xff", "\xff\xff"].map((text) => Buffer.from(text, "latin1"));
const LEASES = [11n, 12n];

const user = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom(...USERS) },
  { weight: 1, arbitrary: fc.constantFrom(ROOT, "", "missing") },
);
const role = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom(...ROLES) },
  { weight: 2, arbitrary: fc.constant(ROOT) },
  { weight: 1, arbitrary: fc.constantFrom("", "missing") },
);
const password = fc.constantFrom(...PASSWORDS);
const key = fc.constantFrom(...KEYS);
const lease = fc.constantFrom(0n, 0n, 0n, ...LEASES);

/** A range with keys in it: what a user may do with none is a matter of taste. */
const range = fc
  .tuple(key, fc.oneof(key, fc.constant(NOTHING), fc.constant(NOTHING), fc.constant(Buffer.of(0))))
  .map(([start, end]) => {
    const isEmpty = end.length > 0 && end[0] !== 0 && start.compare(end) >= 0;
    return { key: start, rangeEnd: isEmpty ? NOTHING : end };
  });

/** Any interval, as a permission may be asked for. */
const interval = fc.record({
  key: fc.oneof({ weight: 12, arbitrary: key }, { weight: 1, arbitrary: fc.constantFrom(NOTHING, Buffer.of(0)) }),
  rangeEnd: fc.oneof(key, fc.constant(NOTHING), fc.constant(Buffer.of(0))),
});

const compare = range.map((fields) => ({ ...fields, target: 1, result: 1, createRevision: 0 }));
const put = fc.record({ key, value: fc.constant(Buffer.from("v")), lease, prevKv: fc.boolean() });
const deletion = fc
  .record({ range, prevKv: fc.boolean() })
  .map((fields) => ({ ...fields.range, prevKv: fields.prevKv }));
const { op } = fc.letrec<{ op: unknown }>((tie) => ({
  op: fc.oneof(
    { depthSize: "small" },
    range.map((requestRange) => ({ requestRange })),
    put.map((requestPut) => ({ requestPut })),
    deletion.map((requestDeleteRange) => ({ requestDeleteRange })),
    fc
      .record({
        compare: fc.array(compare, { maxLength: 1 }),
        success: fc.array(tie("op"), { maxLength: 2 }),
        failure: fc.array(tie("op"), { maxLength: 1 }),
      })
      .map((requestTxn) => ({ requestTxn })),
  ),
}));
const txn = fc.record({
  compare: fc.array(compare, { maxLength: 2 }),
  success: fc.array(op, { maxLength: 2 }),
  failure: fc.array(op, { maxLength: 1 }),
});

/** Requests, and how often each RPC is called. */
const RPCS: readonly (readonly [weight: number, rpc: string, request: fc.Arbitrary<object>])[] = [
  [1, "Auth/AuthEnable", fc.constant({})],
  [1, "Auth/AuthDisable", fc.constant({})],
  [2, "Auth/AuthStatus", fc.constant({})],
  [3, "Auth/UserAdd", fc.record({ name: user, password, options: fc.constantFrom(null, { noPassword: true }) })],
  [1, "Auth/UserAdd", fc.constant({ name: "amy", password: TOO_LONG })],
  [2, "Auth/UserGet", user.map((name) => ({ name }))],
  [1, "Auth/UserList", fc.constant({})],
  [2, "Auth/UserDelete", user.map((name) => ({ name }))],
  [2, "Auth/UserChangePassword", fc.record({ name: fc.constantFrom(...USERS, "missing"), password })],
  [
    1,
    "Auth/UserChangePassword",
    fc.record({ name: fc.constantFrom(...USERS), password: fc.constantFrom("", TOO_LONG) }),
  ],
  [4, "Auth/UserGrantRole", fc.record({ user, role })],
  [2, "Auth/UserRevokeRole", fc.record({ name: user, role })],
  [3, "Auth/RoleAdd", role.map((name) => ({ name }))],
  [2, "Auth/RoleGet", role.map((name) => ({ role: name }))],
  [1, "Auth/RoleList", fc.constant({})],
  [1, "Auth/RoleDelete", role.map((name) => ({ role: name }))],
  [6, "Auth/RoleGrantPermission", fc.record({ name: role, interval, permType: fc.nat(3) }).map(grantOf)],
  [1, "Auth/RoleGrantPermission", role.map((name) => ({ name, perm: null }))],
  [
    3,
    "Auth/RoleRevokePermission",
    fc.record({ role, interval }).map((fields) => ({ role: fields.role, ...fields.interval })),
  ],
  [7, "Auth/Authenticate", fc.record({ name: user, password })],
  [8, "KV/Range", range],
  [1, "KV/Range", range.map((fields) => ({ ...fields, revision: 10 ** 9 }))],
  [2, "KV/RangeStream", range],
  [10, "KV/Put", put],
  [5, "KV/DeleteRange", deletion],
  [10, "KV/Txn", txn],
  [1, "KV/Compact", fc.constant({ revision: 1 })],
  [2, "Lease/LeaseGrant", fc.record({ ID: fc.constantFrom(...LEASES), TTL: fc.constant(9_000) })],
  [2, "Lease/LeaseRevoke", fc.record({ ID: fc.constantFrom(...LEASES) })],
  [2, "Lease/LeaseTimeToLive", fc.record({ ID: fc.constantFrom(...LEASES), keys: fc.boolean() })],
  [1, "Lease/LeaseLeases", fc.constant({})],
  [2, "Lease/LeaseKeepAlive", fc.record({ ID: fc.constantFrom(...LEASES) })],
  [
    4,
    "Watch/Watch",
    fc.record({ range, prevKv: fc.boolean(), startRevision: fc.constantFrom(0, RECENT, RECENT, -1) }).map((fields) => ({
      createRequest: { ...fields.range, prevKv: fields.prevKv, startRevision: fields.startRevision },
    })),
  ],
  [1, "Maintenance/Status", fc.constant({})],
  [1, "Maintenance/Alarm", fc.constantFrom({ action: 0 }, { action: 1, alarm: 0 })],
  [1, "Maintenance/Defragment", fc.constant({})],
  [1, "Maintenance/Hash", fc.constant({})],
  [1, "Maintenance/HashKV", fc.constant({})],
  [1, "Maintenance/MoveLeader", fc.constant({ targetID: 1n })],
  [1, "Maintenance/Downgrade", fc.constant({ action: 0, version: "x" })],
  [1, "Cluster/MemberList", fc.constant({})],
  [1, "Cluster/MemberAdd", fc.constant({ peerURLs: ["x"] })],
  [1, "Cluster/MemberRemove", fc.constant({ ID: 1n })],
  [1, "Cluster/MemberUpdate", fc.constant({ ID: 1n, peerURLs: ["http://127.0.0.1:1"] })],
  [1, "Cluster/MemberPromote", fc.constant({ ID: 1n })],
];

const caller = fc.oneof(
  { weight: 10, arbitrary: fc.constantFrom<Caller>(...USERS) },
  { weight: 6, arbitrary: fc.constant<Caller>(ROOT) },
  { weight: 1, arbitrary: fc.constantFrom<Caller>(NOBODY, STRANGER) },
);

/** Only root can change anything while authentication is enabled, so most changes are made by root. */
const manager = fc.oneof({ weight: 6, arbitrary: fc.constant<Caller>(ROOT) }, { weight: 1, arbitrary: caller });

const anyCommand: fc.Arbitrary<AuthCommand> = fc
  .oneof(
    ...RPCS.map(([weight, rpc, request]) => ({
      weight,
      arbitrary: fc
        .record({ request, caller: rpc.startsWith("Auth/") ? manager : caller, bearer: fc.boolean() })
        .map((fields): AuthCommand => ({ rpc, ...fields, request: fields.request as AuthCommand["request"] })),
    })),
  )
  .filter(isReversible);

/** Whoever adds root adds it with the password that is known, so that there is always a way back. */
function isReversible({ rpc, request }: AuthCommand): boolean {
  return rpc !== "Auth/UserAdd" || request["name"] !== ROOT;
}

export const byRoot = (rpc: string, request: AuthCommand["request"] = {}): AuthCommand => ({
  rpc,
  request,
  caller: ROOT,
  bearer: false,
});

/** Root and whom it lets in, before any of the random commands. */
const beginning: fc.Arbitrary<AuthStep[]> = fc
  .array(fc.record({ name: fc.constantFrom(...ROLES), interval, permType: fc.nat(2) }).map(grantOf), {
    minLength: 2,
    maxLength: 6,
  })
  .map((grants) => [
    byRoot("Auth/AuthEnable"),
    byRoot("Auth/UserAdd", { name: ROOT, password: ROOT_PASSWORD }),
    byRoot("Auth/AuthEnable"),
    byRoot("Auth/UserGrantRole", { user: ROOT, role: ROOT }),
    ...USERS.map((name) => byRoot("Auth/UserAdd", { name, password: PASSWORDS[0] })),
    ...ROLES.map((name) => byRoot("Auth/RoleAdd", { name })),
    ...grants.map((grant) => byRoot("Auth/RoleGrantPermission", grant)),
    byRoot("Auth/UserGrantRole", { user: USERS[0], role: ROLES[0] }),
    byRoot("Auth/UserGrantRole", { user: USERS[1], role: ROLES[1] }),
    byRoot("Auth/AuthEnable"),
    authenticated(ROOT, ROOT_PASSWORD),
    ...USERS.map((name) => authenticated(name, PASSWORDS[0])),
  ]);

export function authenticated(name: string, password_: string): AuthCommand {
  return { rpc: "Auth/Authenticate", request: { name, password: password_ }, caller: NOBODY, bearer: false };
}

const step: fc.Arbitrary<AuthStep> = fc.oneof(
  { weight: 600, arbitrary: anyCommand },
  { weight: 24, arbitrary: fc.constant(authenticated(ROOT, ROOT_PASSWORD)) },
  { weight: 16, arbitrary: fc.constant(byRoot("Auth/AuthEnable")) },
  { weight: 1, arbitrary: fc.constant<AuthStep>(RESTART) },
);

export const authSequence: fc.Arbitrary<AuthStep[]> = fc
  .tuple(beginning, fc.array(step, { minLength: 60, maxLength: 150, size: "max" }))
  .map(([first, rest]) => [...first, ...rest]);

function grantOf({
  name,
  interval: fields,
  permType,
}: {
  name: string;
  interval: { key: Buffer; rangeEnd: Buffer };
  permType: number;
}): AuthCommand["request"] {
  return { name, perm: { ...fields, permType } };
}
