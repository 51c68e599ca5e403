/** Users, roles and permissions, and what is done with them while authentication is enabled. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, test, vi } from "vitest";
import {
  authDisableRequest,
  authDisableResponse,
  authenticateRequest,
  authenticateResponse,
  authRoleAddRequest,
  authRoleAddResponse,
  authRoleGetRequest,
  authRoleGetResponse,
  authStatusRequest,
  authStatusResponse,
  authUserAddRequest,
  authUserAddResponse,
  authUserChangePasswordRequest,
  authUserChangePasswordResponse,
  authUserGetRequest,
  authUserGetResponse,
  PERMISSION_READ,
  PERMISSION_READWRITE,
  PERMISSION_WRITE,
} from "../../proto/auth.ts";
import { PASSWORDS_WAITING_MAX } from "../../server/limits.ts";
import { EtcdClient, eventsOf } from "../support/etcd-client.ts";
import {
  deleteRequest,
  prefixWatch,
  put,
  putRequest,
  range,
  rangeRequest,
  txnRequest,
} from "../../bench/client/requests.ts";
import { SCRYPT_OF_SECRET } from "../support/passwords.ts";
import { startPlinth } from "../support/plinth-process.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores, startPlinthStore } from "../support/stores.ts";
import { crash, expectRefused, LEASE_NOT_FOUND, pairsOf, REQUEST_TOO_LARGE } from "./answers.ts";
import {
  AMY,
  AUTH_FAILED,
  authenticate,
  BOB,
  CHEAP_PASSWORDS,
  connectAs,
  enableAuth,
  INVALID_TOKEN,
  makeUsers,
  PERMISSION_DENIED,
  ROOT,
  rpc,
  USER_NAME_EMPTY,
} from "./users.ts";

const status = (client: EtcdClient) => rpc(client, "AuthStatus", authStatusRequest, authStatusResponse, {});

/** As etcd has made it, with a cost of 4. */
const HASH_OF_SECRET = "$2a$04$gY1LQ0iEbOHUlT.OVjFmT.hp5VjKvVT3PDkjJ/bvNlVdIm9E0B.bK";

const FLOOD_LOGINS = 40;

const base64 = (text: string): string => Buffer.from(text).toString("base64");

describeStores("auth, disabled", (start) => {
  const shared = new SharedStore(start, CHEAP_PASSWORDS);

  test("§9.3 §3.6: it is disabled at first, in the words after which clients go on without it", async () => {
    const revision = await shared.put("auth");
    expect(await status(shared.client)).toMatchObject({ header: { revision }, enabled: false, authRevision: 1 });
    for (const request of [
      { name: "root", password: "secret" },
      { name: "", password: "" },
    ]) {
      const call = rpc(shared.client, "Authenticate", authenticateRequest, authenticateResponse, request);
      await expectRefused(call, 9, "etcdserver: authentication is not enabled");
    }
    await shared.client.range(rangeRequest("auth"));
    const withToken = { metadata: [["token", "of nobody"]] as const };
    await shared.client.lean.call("/etcdserverpb.Lease/LeaseLeases", Buffer.alloc(0), withToken);
  });

  test("§9.3: enabling needs a root user with the root role; each change but enabling is a revision of its own", async () => {
    const { client } = shared;
    await expectRefused(enableAuth(client), 9, "etcdserver: root user does not exist");
    await makeUsers(client);
    const before = await status(client);
    expect(before).toMatchObject({ enabled: false, authRevision: 1 + 12 });
    expect((await enableAuth(client)).header?.revision).toBe(before.header?.revision);
    const root = await connectAs(shared.store.url, ROOT);
    expect(await status(root)).toMatchObject({ enabled: true, authRevision: before.authRevision });
    await enableAuth(root);
    await rpc(root, "AuthDisable", authDisableRequest, authDisableResponse, {});
    await rpc(client, "AuthDisable", authDisableRequest, authDisableResponse, {});
    expect(await status(client)).toMatchObject({ enabled: false, authRevision: before.authRevision + 1 });
    const metrics = await (await fetch(`${shared.store.url}/metrics`)).text();
    expect(metrics).toMatch(new RegExp(`^etcd_debugging_auth_revision ${before.authRevision + 1}$`, "m"));
    root.lean.destroy();
  });

  test("§9.3: what was granted is shown by key, and the root role as what it is", async () => {
    const { client } = shared;
    const role = async (roleName: string) => {
      const { perm } = await rpc(client, "RoleGet", authRoleGetRequest, authRoleGetResponse, { role: roleName });
      return perm.map(({ permType, key, rangeEnd }) => [permType, key.toString("latin1"), rangeEnd.toString("latin1")]);
    };
    expect(await role("amys")).toEqual([
      [PERMISSION_READWRITE, "amy/", "amy0"],
      [PERMISSION_READ, "both/", "both0"],
    ]);
    expect(await role("bobs")).toEqual([
      [PERMISSION_WRITE, "bob", ""],
      [PERMISSION_WRITE, "both/", "both0"],
    ]);
    const user = await rpc(client, "UserGet", authUserGetRequest, authUserGetResponse, { name: ROOT.name });
    expect(user.roles).toEqual(["root"]);
  });
});

describeStores("auth, enabled", (start) => {
  const shared = new SharedStore(start, CHEAP_PASSWORDS);
  let root: EtcdClient;
  let amy: EtcdClient;
  let bob: EtcdClient;

  const connect = async (): Promise<void> => {
    for (const client of [root, amy, bob]) client?.lean.destroy();
    [root, amy, bob] = [
      await connectAs(shared.store.url, ROOT),
      await connectAs(shared.store.url, AMY),
      await connectAs(shared.store.url, BOB),
    ];
  };

  beforeAll(async () => {
    await makeUsers(shared.client);
    for (const key of ["amy/1", "bob", "both/1", "other"]) await shared.put(key, "0");
    await enableAuth(shared.client);
    await connect();
    return () => {
      for (const client of [root, amy, bob]) client.lean.destroy();
    };
  });

  test("§9.3: users read and write what their roles let them, and nothing else", async () => {
    await amy.put(putRequest("amy/1", "1", { prevKv: true }));
    expect(pairsOf((await amy.range(rangeRequest("amy/", { rangeEnd: Buffer.from("amy0") }))).kvs)).toEqual([
      "amy/1=1",
    ]);
    await amy.range(rangeRequest("both/1"));
    await bob.put(putRequest("bob", "1"));
    await bob.deleteRange(deleteRequest("bob"));
    await bob.put(putRequest("both/1", "1"));
    await root.range(rangeRequest(Buffer.of(0), { rangeEnd: Buffer.of(0) }));
    for (const refused of [
      () => amy.put(putRequest("both/1")),
      () => amy.put(putRequest("amy")),
      () => amy.range(rangeRequest("amy/", { rangeEnd: Buffer.from("amy1") })),
      () => amy.range(rangeRequest("amy/", { rangeEnd: Buffer.of(0) })),
      () => amy.range(rangeRequest("other")),
      () => amy.rangeStream(rangeRequest("other")),
      () => amy.deleteRange(deleteRequest("both/1")),
      () => amy.txn(txnRequest([range("amy/1")], [put("other")])),
      () => amy.txn(txnRequest([range("other")])),
      () => amy.compact({ revision: 1, physical: false }),
      () => amy.hashKv(0),
      () => bob.range(rangeRequest("bob")),
      () => bob.put(putRequest("bob", "2", { prevKv: true })),
      () => bob.deleteRange(deleteRequest("bob", "", true)),
    ]) {
      await expectRefused(refused(), ...PERMISSION_DENIED);
    }
    expect(pairsOf((await root.range(rangeRequest("both/1"))).kvs)).toEqual(["both/1=1"]);
  });

  test("§3.2: without a token nothing is answered, and a token that is none is refused, for reads as for writes", async () => {
    const nobody = shared.client;
    const stranger = await EtcdClient.connect(shared.store.url, { metadata: [["token", "nobodyhasthistoken.1"]] });
    const callers: (readonly [EtcdClient, readonly [number, string]])[] = [
      [nobody, USER_NAME_EMPTY],
      [stranger, INVALID_TOKEN],
    ];
    for (const [client, refusal] of callers) {
      for (const call of [
        () => client.range(rangeRequest("amy/1")),
        () => client.rangeStream(rangeRequest("amy/1")),
        () => client.put(putRequest("amy/1")),
        () => client.txn(txnRequest([range("amy/1")])),
        () => client.txn(txnRequest([put("amy/1")])),
        () => client.compact({ revision: 1, physical: false }),
        () => client.leaseGrant({ ID: 0n, TTL: 60 }),
        () => client.leaseTimeToLive(1n),
        () => client.leaseLeases(),
        () => client.status(),
        () => rpc(client, "UserGet", authUserGetRequest, authUserGetResponse, { name: AMY.name }),
      ]) {
        await expectRefused(call(), ...refusal);
      }
    }
    stranger.lean.destroy();
    // What is wrong with the request itself comes first (§10).
    await expectRefused(nobody.range(rangeRequest("")), 3, "etcdserver: key is not provided");
  });

  test("§3.2: of several tokens in one call the first counts, and a `token` more than an `authorization`", async () => {
    const [amys, bobs] = [await authenticate(shared.client, AMY), await authenticate(shared.client, BOB)];
    const readWith = async (...metadata: [string, string][]): Promise<void> => {
      const client = await EtcdClient.connect(shared.store.url, { metadata });
      await client.range(rangeRequest("amy/1")).finally(() => client.lean.destroy());
    };
    const [first, second] = ["token", "authorization"];
    for (const header of [first, second]) {
      await readWith([header, amys], [header, bobs]);
      await expectRefused(readWith([header, bobs], [header, amys]), ...PERMISSION_DENIED);
    }
    await readWith([first, amys], [second, bobs]);
    await readWith([second, bobs], [first, amys]);
    await expectRefused(readWith([second, amys], [first, bobs]), ...PERMISSION_DENIED);
    await expectRefused(readWith([first, ""], [second, amys]), ...INVALID_TOKEN);
  });

  test("WA-14: a watch of what may not be read is created and cancelled, with the reason in Go's words", async () => {
    const stream = amy.watch();
    const own = await stream.create(prefixWatch("amy/"));
    expect(own).toMatchObject({ created: true, canceled: false, watchId: 0 });
    const denied = await stream.create(prefixWatch("bob"));
    expect(denied).toMatchObject({
      watchId: -1,
      created: true,
      canceled: true,
      cancelReason: "rpc error: code = PermissionDenied desc = etcdserver: permission denied",
    });
    const { header } = await amy.put(putRequest("amy/2", "2"));
    expect(await stream.next()).toMatchObject({ watchId: 0, header: { revision: header?.revision } });
    const nobody = await shared.client.watch().create(prefixWatch("amy/"));
    expect(nobody.cancelReason).toBe("rpc error: code = InvalidArgument desc = etcdserver: user name is empty");
  });

  test("§9.3: a lease is the matter of those who may write its keys", async () => {
    const lease = (await amy.leaseGrant({ ID: 0n, TTL: 600 })).ID;
    await amy.put(putRequest("amy/leased", "", { lease }));
    await expectRefused(bob.leaseRevoke(lease), ...PERMISSION_DENIED);
    await expectRefused(bob.put(putRequest("bob", "", { lease })), ...PERMISSION_DENIED);
    await expectRefused(bob.leaseTimeToLive(lease, true), ...PERMISSION_DENIED);
    await expectRefused(bob.leaseLeases(), ...PERMISSION_DENIED);
    expect((await bob.leaseTimeToLive(lease)).grantedTTL).toBe(600);
    const keepAlive = bob.keepAlive();
    keepAlive.send({ ID: lease });
    expect(await keepAlive.ended).toEqual({ code: PERMISSION_DENIED[0], message: PERMISSION_DENIED[1] });
    await amy.leaseRevoke(lease);
    expect((await amy.range(rangeRequest("amy/leased"))).count).toBe(0);
    await expectRefused(bob.leaseRevoke(lease), ...LEASE_NOT_FOUND);
  });

  test("LS-10: a lease runs out whoever is allowed what", async () => {
    const stream = amy.watch();
    await stream.create(prefixWatch("amy/short"));
    const lease = (await amy.leaseGrant({ ID: 0n, TTL: 1 })).ID;
    await amy.put(putRequest("amy/short", "", { lease }));
    expect((await stream.nextEvents(2)).map(({ type }) => type)).toEqual([0, 1]);
  });

  test("§9.3: users look at themselves and their roles, and at nobody else", async () => {
    const user = (of: EtcdClient, who: string) =>
      rpc(of, "UserGet", authUserGetRequest, authUserGetResponse, { name: who });
    const role = (of: EtcdClient, who: string) =>
      rpc(of, "RoleGet", authRoleGetRequest, authRoleGetResponse, { role: who });
    expect((await user(amy, AMY.name)).roles).toEqual(["amys"]);
    expect((await role(amy, "amys")).perm).toHaveLength(2);
    await expectRefused(user(amy, BOB.name), ...PERMISSION_DENIED);
    await expectRefused(role(amy, "bobs"), ...PERMISSION_DENIED);
    await expectRefused(role(amy, "missing"), ...PERMISSION_DENIED);
    await expectRefused(role(root, "missing"), 9, "etcdserver: role name not found");
  });

  test("§9.3: a hash in place of a password is that of the password from then on, if it can be one", async () => {
    const change = (hashedPassword: string, name = AMY.name) => {
      const request = { name, password: "", hashedPassword };
      return rpc(root, "UserChangePassword", authUserChangePasswordRequest, authUserChangePasswordResponse, request);
    };
    const noHash = [2, "auth: authentication failed, password was given for no password user"] as const;
    for (const text of ["!", "abc", "a b="]) await expectRefused(change(text), ...noHash);
    await expectRefused(change("!", "nobody"), 9, "etcdserver: user name not found");
    await authenticate(shared.client, AMY);
    await change(base64(HASH_OF_SECRET));
    await expectRefused(authenticate(shared.client, AMY), ...AUTH_FAILED);
    await authenticate(shared.client, { name: AMY.name, password: "secret" });
    await change(base64("no hash at all"));
    for (const password of ["secret", "no hash at all", ""]) {
      await expectRefused(authenticate(shared.client, { name: AMY.name, password }), ...AUTH_FAILED);
    }
    const back = { ...AMY, hashedPassword: "" };
    await rpc(root, "UserChangePassword", authUserChangePasswordRequest, authUserChangePasswordResponse, back);
    await connect();
  });

  test("§9.3: a wrong password, and a user that is none, are told alike", async () => {
    await expectRefused(authenticate(shared.client, { name: AMY.name, password: "wrong" }), ...AUTH_FAILED);
    await expectRefused(authenticate(shared.client, { name: "nobody", password: "wrong" }), ...AUTH_FAILED);
  });

  test("§9.3 LS-16: users, roles and permissions outlive a crash", async () => {
    const before = await status(root);
    await crash(shared);
    await expectRefused(shared.client.range(rangeRequest("amy/1")), ...USER_NAME_EMPTY);
    await connect();
    expect(await status(root)).toMatchObject({ enabled: true, authRevision: before.authRevision });
    expect(pairsOf((await amy.range(rangeRequest("amy/1"))).kvs)).toEqual(["amy/1=1"]);
    await expectRefused(amy.range(rangeRequest("other")), ...PERMISSION_DENIED);
  });

  test("§9.3: who watches is told what happened while it was allowed to look", async () => {
    const stream = amy.watch();
    await stream.create(prefixWatch("both/"));
    await bob.put(putRequest("both/2", "seen"));
    expect(eventsOf(await stream.next()).map(({ kv }) => kv?.value.toString())).toEqual(["seen"]);
  });
});

describe("auth (Plinth)", () => {
  const shared = new SharedStore(startPlinthStore, CHEAP_PASSWORDS);

  test("no password is written to the data directory or the log", async () => {
    const plinth = await startPlinth({ flags: ["--log-level=debug"] });
    const client = await EtcdClient.connect(plinth.url);
    const passwords = ["first-secret", "second-secret"];
    const add = { name: "amy", password: passwords[0], hashedPassword: "" };
    await rpc(client, "UserAdd", authUserAddRequest, authUserAddResponse, { ...add, options: null });
    const change = { name: "amy", password: passwords[1], hashedPassword: "" };
    await rpc(client, "UserChangePassword", authUserChangePasswordRequest, authUserChangePasswordResponse, change);
    await authenticate(client, { name: "amy", password: passwords[1] }).catch(() => {});
    // A user without password has none to keep, whatever the request says.
    const without = { name: "bob", password: passwords[0], options: { noPassword: true }, hashedPassword: "" };
    await rpc(client, "UserAdd", authUserAddRequest, authUserAddResponse, without);
    client.lean.destroy();
    await plinth.stop();
    const files = readdirSync(plinth.dataDir, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    const written = files.map((entry) => readFileSync(path.join(entry.parentPath, entry.name), "latin1"));
    expect(written.some((text) => text.includes("amy"))).toBe(true);
    for (const text of [...written, plinth.logLines.join("\n")]) {
      for (const password of passwords) expect(text.includes(password)).toBe(false);
    }
    await plinth.remove();
  });

  test("what a caller may not write leaves nothing in the journal", async () => {
    const plinth = await startPlinth();
    const nobody = await EtcdClient.connect(plinth.url);
    await makeUsers(nobody);
    await enableAuth(nobody);
    const [root, amy] = [await connectAs(plinth.url, ROOT), await connectAs(plinth.url, AMY)];
    const lease = (await root.leaseGrant({ ID: 0n, TTL: 600 })).ID;
    await root.put(putRequest("other", "", { lease }));
    const before = await root.status();
    const callers: (readonly [EtcdClient, readonly [number, string]])[] = [
      [nobody, USER_NAME_EMPTY],
      [amy, PERMISSION_DENIED],
    ];
    for (const [client, refusal] of callers) {
      for (const call of [
        () => client.put(putRequest("other", "x".repeat(1_000_000))),
        () => client.deleteRange(deleteRequest("other")),
        () => client.txn(txnRequest([put("other")])),
        () => client.leaseRevoke(lease),
        () => client.compact({ revision: 1, physical: false }),
        () => rpc(client, "AuthDisable", authDisableRequest, authDisableResponse, {}),
      ]) {
        await expectRefused(call(), ...refusal);
      }
    }
    expect((await root.status()).raftIndex).toBe(before.raftIndex);
    for (const client of [nobody, root, amy]) client.lean.destroy();
    await plinth.remove();
  });

  test("what is refused anyway takes no turn of those whose passwords are worked on", async () => {
    const plinth = await startPlinth();
    const client = await EtcdClient.connect(plinth.url);
    await makeUsers(client);
    await enableAuth(client);
    const calls = Array.from({ length: PASSWORDS_WAITING_MAX + 1 }, (_, i) => i);
    const add = { name: "new", password: "p", options: null, hashedPassword: "" };
    await Promise.all(
      calls.map(() =>
        expectRefused(rpc(client, "UserAdd", authUserAddRequest, authUserAddResponse, add), ...USER_NAME_EMPTY),
      ),
    );
    client.lean.destroy();
    await plinth.remove();
  });

  test("users and roles have names as long as etcd's can be, and no longer ones", async () => {
    const plinth = await startPlinth();
    const client = await EtcdClient.connect(plinth.url);
    const longest = "n".repeat(32_768);
    const add = async (name: string, noPassword = false): Promise<void> => {
      const user = { name, password: "p", options: { noPassword }, hashedPassword: "" };
      await rpc(client, "UserAdd", authUserAddRequest, authUserAddResponse, user);
    };
    const addRole = (name: string) => rpc(client, "RoleAdd", authRoleAddRequest, authRoleAddResponse, { name });
    await add(longest);
    await addRole(longest);
    await expectRefused(add(`${longest}n`), ...REQUEST_TOO_LARGE);
    await expectRefused(add(`${longest}n`, true), ...REQUEST_TOO_LARGE);
    await expectRefused(addRole(`${longest}n`), ...REQUEST_TOO_LARGE);
    client.lean.destroy();
    await plinth.remove();
  });

  test("a user may be added with a hash, which etcd overlooks and gives the user no password", async () => {
    const user = { name: "dora", password: "", options: null, hashedPassword: base64(HASH_OF_SECRET) };
    await rpc(shared.client, "UserAdd", authUserAddRequest, authUserAddResponse, user);
    await makeUsers(shared.client);
    await enableAuth(shared.client);
    await authenticate(shared.client, { name: "dora", password: "secret" });
    await expectRefused(authenticate(shared.client, { name: "dora", password: "" }), ...AUTH_FAILED);
    const root = await connectAs(shared.store.url, ROOT);
    await rpc(root, "AuthDisable", authDisableRequest, authDisableResponse, {});
    root.lean.destroy();
  });

  test("what an earlier version has kept of a password lets in, and is renewed then, once and for all", async () => {
    const { client } = shared;
    const change = { name: AMY.name, password: "", hashedPassword: base64(SCRYPT_OF_SECRET) };
    await rpc(client, "UserChangePassword", authUserChangePasswordRequest, authUserChangePasswordResponse, change);
    await enableAuth(client);
    const before = await status(client);
    const login = { name: AMY.name, password: "secret" };
    await expectRefused(authenticate(client, { ...login, password: "secrets" }), ...AUTH_FAILED);
    const renewals = (): number => shared.store.logLines().filter((line) => line.includes("was renewed")).length;
    expect(renewals()).toBe(0);
    const amy = await connectAs(shared.store.url, login);
    await vi.waitUntil(() => renewals() === 1, { timeout: 15_000 });
    // Nobody notices: who is there stays, and nothing is counted.
    await amy.put(putRequest("amy/renewed"));
    expect(await status(amy)).toMatchObject({ authRevision: before.authRevision });
    await authenticate(client, login);
    await crash(shared);
    await authenticate(shared.client, login);
    await expectRefused(authenticate(shared.client, { ...login, password: "secrets" }), ...AUTH_FAILED);
    expect(renewals()).toBe(1);
    amy.lean.destroy();
    const root = await connectAs(shared.store.url, ROOT);
    const back = { ...AMY, hashedPassword: "" };
    await rpc(root, "UserChangePassword", authUserChangePasswordRequest, authUserChangePasswordResponse, back);
    await rpc(root, "AuthDisable", authDisableRequest, authDisableResponse, {});
    root.lean.destroy();
  });

  test("a client with many logins delays that of another one by a turn or two", async () => {
    // Each takes so long that none is done before all have come.
    const plinth = await startPlinth({ flags: ["--bcrypt-cost=7"] });
    const client = await EtcdClient.connect(plinth.url);
    await makeUsers(client);
    await enableAuth(client);
    const flooding = await EtcdClient.connect(plinth.url);
    let done = 0;
    const flood = Array.from({ length: FLOOD_LOGINS }, () =>
      authenticate(flooding, { name: AMY.name, password: "wrong" }).catch(() => void done++),
    );
    await authenticate(client, BOB);
    expect(done).toBeLessThan(FLOOD_LOGINS / 4);
    await Promise.all(flood);
    expect(done).toBe(FLOOD_LOGINS);
    for (const each of [client, flooding]) each.lean.destroy();
    await plinth.remove();
  });

  test("a token ends with a crash, and clients are told to get another one", async () => {
    await enableAuth(shared.client);
    const token = await authenticate(shared.client, AMY);
    await crash(shared);
    const client = await EtcdClient.connect(shared.store.url, { metadata: [["token", token]] });
    await expectRefused(client.range(rangeRequest("amy/1")), ...INVALID_TOKEN);
    client.lean.destroy();
  });
});
