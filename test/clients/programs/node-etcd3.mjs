// What users of etcd3 for Node do with it, against any store. Its own package comes without tests.
//
// Arguments: `host:port` without TLS, `host:port` with mutual TLS, and a folder with ca.pem, client.pem and client.key.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import * as etcd3 from "etcd3";

const [plain, secure, certificates] = process.argv.slice(2);
const client = new etcd3.Etcd3({ hosts: `http://${plain}` });

let failures = 0;
async function check(name, run) {
  // Keys of its own for each.
  const space = client.namespace(`${name}/`);
  try {
    await run(space);
    console.log(`ok ${name}`);
  } catch (error) {
    failures++;
    console.log(`not ok ${name}\n${error.stack}`);
  }
}

await check("put, get and delete in all formats", async (space) => {
  await space.put("number").value(42);
  await space.put("json").value(JSON.stringify({ a: [1, "é"] }));
  await space.put("bytes").value(Buffer.from([0, 255, 10]));
  assert.equal(await space.get("number").number(), 42);
  assert.deepEqual(await space.get("json").json(), { a: [1, "é"] });
  assert.deepEqual(await space.get("bytes").buffer(), Buffer.from([0, 255, 10]));
  assert.equal(await space.get("none").string(), null);
  assert.equal(await space.get("number").exists(), true);
  assert.equal((await space.delete().key("number")).deleted, "1");
  assert.equal(await space.get("number").exists(), false);
});

await check("ranges: prefix, from and to, sorted, limited, counted, keys", async (space) => {
  for (const [key, value] of ["a=3", "b=1", "c=2", "d=0"].map((pair) => pair.split("=")))
    await space.put(key).value(value);
  assert.deepEqual(await space.getAll().numbers(), { a: 3, b: 1, c: 2, d: 0 });
  assert.deepEqual(await space.getAll().sort("Value", "Descend").keys(), ["a", "c", "b", "d"]);
  assert.deepEqual(await space.getAll().sort("Key", "Ascend").limit(2).keys(), ["a", "b"]);
  assert.deepEqual(await space.getAll().inRange({ start: "b", end: "e" }).keys(), ["b", "c", "d"]);
  assert.deepEqual(await space.getAll().inRange({ start: "b", end: "d" }).strings(), { b: "1", c: "2" });
  assert.equal(await space.getAll().prefix("").count(), 4);
  assert.equal((await space.delete().inRange({ start: "a", end: "c" }).getPrevious()).length, 2);
  assert.deepEqual(await space.getAll().keys(), ["c", "d"]);
});

await check("an older revision", async (space) => {
  const { header } = await space.put("key").value("old").exec();
  await space.put("key").value("new");
  assert.equal(await space.get("key").revision(header.revision).string(), "old");
  assert.equal(await space.get("key").string(), "new");
});

await check("previous values and touches", async (space) => {
  assert.equal((await space.put("key").value("one").exec()).prev_kv, null);
  assert.equal((await space.put("key").value("two").getPrevious()).value.toString(), "one");
  await space.put("key").touch();
  assert.equal(await space.get("key").string(), "two");
});

await check("transactions: one branch or the other, each and nested values", async (space) => {
  const create = () =>
    space.if("key", "Create", "==", 0).then(space.put("key").value("mine")).else(space.get("key")).commit();
  const [first, second] = [await create(), await create()];
  assert.deepEqual([first.succeeded, second.succeeded], [true, false]);
  assert.equal(second.responses[0].response_range.kvs[0].value.toString(), "mine");
  const swap = await space
    .if("key", "Value", "==", "mine")
    .and("key", "Version", "<", 2)
    .then(space.put("key").value("yours"), space.put("other").value("x"))
    .commit();
  assert.equal(swap.succeeded, true);
  assert.deepEqual(await space.getAll().strings(), { key: "yours", other: "x" });
});

await check("a lease is kept alive, and its keys go with it", async (space) => {
  const lease = space.lease(2);
  await lease.put("key").value("leased");
  const id = await lease.grant();
  const { TTL } = await lease.keepaliveOnce();
  assert.equal(TTL, "2");
  const { grantedTTL, keys } = await client.leaseClient.leaseTimeToLive({ ID: id, keys: true });
  assert.deepEqual([grantedTTL, keys.length], ["2", 1]);
  await lease.revoke();
  assert.equal(await space.get("key").string(), null);
});

await check("a lease that is revoked elsewhere is lost", async (space) => {
  const lease = space.lease(1);
  const id = await lease.grant();
  const lost = once(lease, "lost");
  await client.leaseClient.leaseRevoke({ ID: id });
  const [error] = await lost;
  assert.ok(error instanceof etcd3.EtcdLeaseInvalidError, String(error));
  await assert.rejects(space.put("key").value("x").lease(id).exec(), etcd3.EtcdLeaseInvalidError);
});

await check("watches: a key, a prefix, from a revision, and the end", async (space) => {
  const watcher = await space.watch().prefix("w/").withPreviousKV().create();
  const seen = [];
  watcher.on("data", ({ events }) => {
    for (const { type, kv, prev_kv: before } of events)
      seen.push([type, kv.key.toString(), kv.value.toString(), before?.value.toString()]);
  });
  await space.put("w/a").value("1");
  await space.put("elsewhere").value("1");
  const { header } = await space.put("w/a").value("2").exec();
  const deleted = once(watcher, "delete");
  await space.delete().key("w/a");
  const [kv] = await deleted;
  assert.equal(kv.key.toString(), "w/a");
  assert.deepEqual(seen, [
    ["Put", "w/a", "1", undefined],
    ["Put", "w/a", "2", "1"],
    ["Delete", "w/a", "", "2"],
  ]);
  await watcher.cancel();

  const late = await space.watch().key("w/a").startRevision(header.revision).watcher();
  const [put] = await once(late, "put");
  assert.equal(put.value.toString(), "2");
  await late.cancel();
});

await check("only puts or only deletes are watched", async (space) => {
  const watcher = await space.watch().key("key").ignore("Put").create();
  const first = once(watcher, "data");
  await space.put("key").value("x");
  await space.delete().key("key");
  const [{ events }] = await first;
  assert.deepEqual(
    events.map(({ type }) => type),
    ["Delete"],
  );
  await watcher.cancel();
});

await check("a watch of what is compacted says so", async (space) => {
  const { header } = await space.put("key").value("1").exec();
  await space.put("key").value("2");
  const later = await space.put("key").value("3").exec();
  await client.kv.compact({ revision: later.header.revision, physical: true });
  await assert.rejects(space.get("key").revision(header.revision).string(), /compacted/);
  const watcher = space.watch().key("key").startRevision(header.revision).watcher();
  const [error] = await once(watcher, "error");
  assert.match(String(error), /Watcher canceled/);
});

await check("a lock has one owner, and passes on", async (space) => {
  const lock = space.lock("lock").ttl(5);
  await lock.acquire();
  await assert.rejects(space.lock("lock").acquire(), etcd3.EtcdLockFailedError);
  await lock.release();
  assert.equal(await space.lock("lock").do(() => "done"), "done");
});

await check("elections: a leader, observers, the next one", async (space) => {
  const election = space.election("cluster", 5);
  const first = election.campaign("one");
  await once(first, "elected");
  assert.equal(await election.leader(), "one");
  const observer = await election.observe();
  const changes = [observer.leader()];
  observer.on("change", (leader) => changes.push(leader));
  const second = election.campaign("two");
  await first.proclaim("one again");
  const elected = once(second, "elected");
  await first.resign();
  await elected;
  while (observer.leader() !== "two") await once(observer, "change");
  assert.deepEqual(
    changes.filter((leader) => leader !== undefined),
    ["one", "one again", "two"],
  );
  await observer.cancel();
  await second.resign();
});

await check("transactions in memory begin again where others wrote in between", async (space) => {
  await space.put("count").value(0);
  const add = (times) =>
    space.stm({ retries: 100 }).transact(async (tx) => {
      await tx.put("count").value((await tx.get("count").number()) + times);
    });
  await Promise.all(Array.from({ length: 10 }, () => add(1)));
  assert.equal(await space.get("count").number(), 10);
});

await check("status, members, hash and snapshot", async () => {
  const { version, leader, header } = await client.maintenance.status();
  assert.match(version, /^3\.7\./);
  assert.equal(leader, header.member_id);
  const { members } = await client.cluster.memberList({});
  assert.deepEqual(
    members.map(({ ID }) => ID),
    [leader],
  );
  assert.notEqual((await client.maintenance.hash()).hash, 0);
  const snapshot = await client.maintenance.snapshot();
  let bytes = 0;
  for await (const { blob } of snapshot) bytes += blob.length;
  assert.ok(bytes > 4096);
});

await check("mutual TLS, and none without the certificate", async () => {
  const read = (name) => readFileSync(path.join(certificates, name));
  const hosts = `https://${secure}`;
  const credentials = {
    rootCertificate: read("ca.pem"),
    privateKey: read("client.key"),
    certChain: read("client.pem"),
  };
  const known = new etcd3.Etcd3({ hosts, credentials });
  await known.put("tls").value("yes");
  assert.equal(await known.get("tls").string(), "yes");
  known.close();
  const unknown = new etcd3.Etcd3({ hosts, credentials: { rootCertificate: read("ca.pem") } });
  await assert.rejects(unknown.get("tls").string());
  unknown.close();
});

await check("of several addresses one that is down is passed over", async () => {
  const several = new etcd3.Etcd3({ hosts: ["http://127.0.0.1:9", `http://${plain}`] });
  for (let i = 0; i < 4; i++)
    await several
      .put("several")
      .value(i)
      .exec()
      .catch(() => null);
  assert.notEqual(await client.get("several").number(), null);
  several.close();
});

await check("users, roles and permissions", async () => {
  const role = client.role("reader");
  await role.create();
  await role.grant({ permission: "Read", range: etcd3.Range.prefix("open/") });
  await assert.rejects(role.create(), etcd3.EtcdRoleExistsError);
  const user = client.user("ann");
  await user.create("secret");
  await assert.rejects(user.create("secret"), etcd3.EtcdUserExistsError);
  await user.addRole(role);
  assert.deepEqual(
    (await user.roles()).map(({ name }) => name),
    ["reader"],
  );
  const [permission] = await role.permissions();
  assert.equal(permission.permission, "Read");
  const root = client.user("root");
  await root.create("secret");
  await client.role("root").create();
  await root.addRole("root");
  await client.auth.authEnable();
  const as = (username, password) => new etcd3.Etcd3({ hosts: `http://${plain}`, auth: { username, password } });
  const [administrator, ann, stranger] = [as("root", "secret"), as("ann", "secret"), as("ann", "wrong")];
  try {
    await administrator.put("open/key").value("x");
    assert.equal(await ann.get("open/key").string(), "x");
    await assert.rejects(ann.put("open/key").value("y").exec(), etcd3.EtcdPermissionDeniedError);
    await assert.rejects(stranger.get("open/key").string(), etcd3.EtcdAuthenticationFailedError);
  } finally {
    await administrator.auth.authDisable();
    for (const each of [administrator, ann, stranger]) each.close();
  }
  await role.delete();
  assert.equal(await client.get("open/key").string(), "x");
});

client.close();
process.exit(failures === 0 ? 0 : 1);
