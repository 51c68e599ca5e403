/** The commands of a README, typed into the real etcdctl. */
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { clusterVersionDecided } from "../support/cluster-version.ts";
import { etcdctl, RunningEtcdctl } from "../support/etcdctl.ts";
import { runPeer } from "../support/peer-program.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";

describeStores("etcdctl", (start, name) => {
  const shared = new SharedStore(start);

  /** What a command prints; it must succeed. */
  async function ctl(command: string, input = ""): Promise<string> {
    const { code, stdout, stderr } = await etcdctl(shared.store.url, command.split(" "), input);
    expect([command, code, stderr]).toEqual([command, 0, expect.any(String)]);
    return stdout;
  }

  /** What a command complains of; it must fail. */
  async function complaint(command: string): Promise<string> {
    const { code, stderr } = await etcdctl(shared.store.url, command.split(" "));
    expect([command, code]).not.toEqual([command, 0]);
    return stderr;
  }

  async function running(command: string): Promise<RunningEtcdctl> {
    const process = await RunningEtcdctl.start(shared.store.url, command.split(" "));
    onTestFinished(() => process.interrupt());
    return process;
  }

  test("put, get and del: keys, prefixes, ranges, revisions, what was before", async () => {
    expect(await ctl("put kv/a 1")).toBe("OK\n");
    expect(await ctl("put kv/b 2")).toBe("OK\n");
    const revision = await shared.put("kv/c", "3");
    expect(await ctl("get kv/a")).toBe("kv/a\n1\n");
    expect(await ctl("get --prefix kv/")).toBe("kv/a\n1\nkv/b\n2\nkv/c\n3\n");
    expect(await ctl("get --stream --prefix kv/")).toBe("kv/a\n1\nkv/b\n2\nkv/c\n3\n");
    expect(await ctl("get kv/a kv/c --print-value-only")).toBe("1\n2\n");
    expect(await ctl("get --prefix kv/ --keys-only --limit=2")).toBe("kv/a\n\nkv/b\n\n");
    expect(await ctl("get --prefix kv/ --order=DESCEND --sort-by=VALUE --print-value-only")).toBe("3\n2\n1\n");
    expect(await ctl("get --prefix kv/ --count-only --write-out=fields")).toContain('"Count" : 3\n');
    expect(await ctl(`get --prefix kv/ --rev=${revision - 1} --print-value-only`)).toBe("1\n2\n");
    expect(await ctl("put kv/a 4 --prev-kv")).toBe("OK\nkv/a\n1\n");
    expect(await ctl("del kv/a --prev-kv")).toBe("1\nkv/a\n4\n");
    expect(await ctl("del kv/ --prefix")).toBe("2\n");
    expect(await ctl("del kv/ --prefix")).toBe("0\n");
    expect(await ctl("get kv/a")).toBe("");
    expect(await complaint("get kv/a --rev=1000000")).toContain("required revision is a future revision");
  });

  test("txn: typed in line by line", async () => {
    await ctl("put txn 1");
    const input = 'value("txn") = "1"\n\nput txn 2\nget txn\n\nput txn other\n\n';
    expect(await ctl("txn", input)).toBe("SUCCESS\n\nOK\n\ntxn\n2\n");
    expect(await ctl("txn", input)).toBe("FAILURE\n\nOK\n");
    expect(await ctl("get txn --print-value-only")).toBe("other\n");
  });

  test("snapshot save and what etcdutl says of it", async () => {
    const revision = await shared.put("saved", "1");
    const file = path.join(tmpdir(), `plinth-snapshot-${name}-${process.pid}`);
    onTestFinished(() => rmSync(file, { force: true }));
    expect(await ctl(`snapshot save ${file}`)).toContain(`Snapshot saved at ${file}`);
    const { code, stdout } = await runPeer("etcdutl", ["snapshot", "status", file, "-w", "json"], "", 30_000);
    expect([code, JSON.parse(stdout)]).toEqual([0, expect.objectContaining({ revision })]);
  });

  test("lease: grant, put, timetolive, keep-alive, list, revoke", async () => {
    const id = /^lease ([0-9a-f]+) granted with TTL\(600s\)\n$/.exec(await ctl("lease grant 600"))?.[1];
    expect(await ctl(`put leased 1 --lease=${id}`)).toBe("OK\n");
    const left = await ctl(`lease timetolive ${id} --keys`);
    expect(left).toMatch(
      new RegExp(`^lease ${id} granted with TTL\\(600s\\), remaining\\(\\d+s\\), attached keys\\(\\[leased\\]\\)`),
    );
    expect(await ctl(`lease keep-alive --once ${id}`)).toBe(`lease ${id} keepalived with TTL(600)\n`);
    expect(await ctl("lease list")).toBe(`found 1 leases\n${id}\n`);
    expect(await ctl(`lease revoke ${id}`)).toBe(`lease ${id} revoked\n`);
    expect(await ctl("get leased")).toBe("");
    expect(await ctl(`lease timetolive ${id}`)).toBe(`lease ${id} already expired\n`);
    expect(await complaint(`put leased 1 --lease=${id}`)).toContain("requested lease not found");
  });

  test("watch: history and what happens, with what was before", async () => {
    const revision = await shared.put("watched/a", "1");
    const watch = await running(`watch --prefix watched/ --rev=${revision} --prev-kv`);
    expect(await watch.lines(3)).toEqual(["PUT", "watched/a", "1"]);
    await ctl("put watched/a 2");
    await ctl("del watched/a");
    const expected = ["PUT", "watched/a", "1", "watched/a", "2", "DELETE", "watched/a", "2", "watched/a", ""];
    expect(await watch.lines(10)).toEqual(expected);
    expect(watch.waiting).toBe(0);
  });

  test("compact: history is gone, and asked for in vain", async () => {
    const revision = await shared.put("compacted", "1");
    await ctl("put compacted 2");
    expect(await ctl(`compact ${revision + 1}`)).toBe(`compacted revision ${revision + 1}\n`);
    expect(await complaint(`get compacted --rev=${revision}`)).toContain("required revision has been compacted");
    expect(await complaint(`compact ${revision + 1}`)).toContain("required revision has been compacted");
    expect(await complaint(`watch compacted --rev=${revision}`)).toContain("required revision has been compacted");
    await ctl("put compacted 3");
    expect(await ctl(`compact --physical ${revision + 2}`)).toBe(`compacted revision ${revision + 2}\n`);
  });

  test("endpoint status of a store that nobody has written to, in every format", async () => {
    const fresh = await start([]);
    onTestFinished(() => fresh.remove());
    for (const format of ["simple", "table", "json", "fields"]) {
      const { code, stdout } = await etcdctl(fresh.url, ["endpoint", "status", `--write-out=${format}`]);
      expect([format, code]).toEqual([format, 0]);
      expect(stdout).toContain(fresh.url);
    }
  });

  test("endpoint status, health and hashkv; member list; alarm; defrag", async () => {
    const { url } = shared.store;
    const { header, version } = await shared.client.status();
    const id = header?.memberId.toString(16);
    const status = (await ctl("endpoint status")).split(", ");
    expect([status[0], status[1], status[2]]).toEqual([url, id, version]);
    expect(await ctl("endpoint status --write-out=table")).toContain(`│ ${url} │`);
    expect(await ctl("endpoint health")).toContain(`${url} is healthy: successfully committed proposal`);
    expect(await ctl("endpoint hashkv")).toMatch(new RegExp(`^${url}, \\d+, ${await shared.revision()}\n$`));
    expect(await ctl("endpoint health --cluster")).toContain(`${url} is healthy`);
    const [member, ...more] = (await ctl("member list")).trimEnd().split("\n");
    expect(more).toEqual([]);
    expect(member.split(", ")).toEqual([id, "started", "default", expect.stringContaining("http://"), url, "false"]);
    expect(await ctl("alarm list")).toBe("");
    await shared.client.alarm({ action: 1, alarm: 1, memberID: header?.memberId ?? 0n });
    expect(await ctl("alarm list")).toMatch(new RegExp(`^memberID:${header?.memberId} +alarm:NOSPACE *\n$`));
    const unhealthy = await etcdctl(url, ["endpoint", "health"]);
    expect([unhealthy.code, unhealthy.stderr]).toEqual([1, expect.stringContaining("Active Alarm")]);
    expect(await ctl("alarm disarm")).toMatch(/alarm:NOSPACE/);
    expect(await ctl("alarm list")).toBe("");
    expect(await ctl("defrag")).toContain(`Finished defragmenting etcd member[${url}]`);
  });

  test("member add, remove, update and promote; move-leader; downgrade: what a single member has to say", async () => {
    await clusterVersionDecided(shared.client);
    const list = await ctl("member list");
    const [id, , , peerUrl] = list.split(", ");
    expect(await complaint(`member add one --peer-urls=${peerUrl}`)).toContain("Peer URLs already exists");
    expect(await complaint(`member add one --learner --peer-urls=${peerUrl}`)).toContain("Peer URLs already exists");
    expect(await complaint("member remove 3039")).toContain("member not found");
    expect(await complaint(`member remove ${id}`)).toContain("not enough started members");
    expect(await complaint("member update 3039 --peer-urls=http://10.0.0.1:2380")).toContain("member not found");
    // It aligns ids, one in sixteen of which has a digit less.
    const updated = `Member ${id.padStart(16)} updated in cluster`;
    expect(await ctl(`member update ${id} --peer-urls=${peerUrl}`)).toContain(updated);
    expect(await complaint("member promote 3039")).toContain("member not found");
    expect(await complaint(`member promote ${id}`)).toContain("can only promote a learner member");
    expect(await complaint("move-leader 3039")).toContain("bad leader transferee");
    expect(await ctl(`move-leader ${id}`)).toBe(`Leadership transferred from ${id} to ${id}\n`);
    expect(await complaint("downgrade validate 3")).toContain("wrong downgrade target version format");
    expect(await complaint("downgrade validate 3.8")).toContain("invalid downgrade target version");
    expect(await complaint("downgrade enable 3.5.0")).toContain("invalid downgrade target version");
    expect(await ctl("downgrade cancel")).toBe("Downgrade cancel success, cluster version 3.7\n");
    expect(await ctl("member list")).toBe(list);
  });

  test("lock: one holds it, the next one waits; a command runs while it is held", async () => {
    const first = await running("lock mutex");
    const [held] = await first.lines(1);
    expect(held).toMatch(/^mutex\/[0-9a-f]+$/);
    const second = await running("lock mutex");
    // Its place in the queue is a key under the lock's name.
    await expect.poll(async () => (await ctl("get --prefix mutex/ --keys-only")).split("\n\n").length - 1).toBe(2);
    expect(second.waiting).toBe(0);
    await first.interrupt();
    expect((await second.lines(1))[0]).toMatch(/^mutex\/[0-9a-f]+$/);
    await second.interrupt();
    expect(await ctl("lock mutex echo done")).toBe("done\n");
    expect(await ctl("get --prefix mutex/")).toBe("");
  });

  test("elect: one leads, others listen, and the next one follows", async () => {
    const leader = await running("elect seat one");
    expect((await leader.lines(2))[1]).toBe("one");
    const listener = await running("elect seat --listen");
    expect((await listener.lines(2))[1]).toBe("one");
    const heir = await running("elect seat two");
    await leader.interrupt();
    expect((await heir.lines(2))[1]).toBe("two");
    expect((await listener.lines(2))[1]).toBe("two");
  });

  test("check datascale: ten thousand keys from fifty clients", async () => {
    expect(await ctl("check datascale")).toContain("PASS: Approximate system memory used");
  });

  test("a name and a password are no obstacle where nobody asks for them", async () => {
    expect(await ctl("--user=root:secret put user 1")).toBe("OK\n");
    expect(await ctl("auth status")).toBe("Authentication Status: false\nAuthRevision: 1\n");
  });

  test("WC-10 WC-11: a watch goes on over a restart of the server, and misses nothing", async () => {
    const first = await shared.put("restart", "0");
    const watch = await running(`watch restart --rev=${first}`);
    expect(await watch.lines(3)).toEqual(["PUT", "restart", "0"]);
    const expected: string[] = [];
    for (let i = 1; i <= 3; i++) {
      await ctl(`put restart ${i}`);
      // etcd takes seconds to stop; by a crash its clients learn the same.
      if (name === "plinth" && i === 2) await shared.store.stop();
      else await shared.store.kill();
      await shared.store.restart();
      await ctl(`put restart ${i}-again`);
      expected.push("PUT", "restart", String(i), "PUT", "restart", `${i}-again`);
    }
    expect(await watch.lines(18)).toEqual(expected);
    expect(watch.waiting).toBe(0);
  });

  test("user, role and auth: who is let in, and to what", async () => {
    expect(await ctl("user add root:top")).toBe("User root created\n");
    expect(await ctl("user add amy:low")).toBe("User amy created\n");
    expect(await complaint("user add amy:low")).toContain("user name already exists");
    expect(await ctl("role add reader")).toBe("Role reader created\n");
    expect(await ctl("role grant-permission reader read shown/ --prefix")).toBe("Role reader updated\n");
    expect(await ctl("role get reader")).toBe("Role reader\nKV Read:\n\t[shown/, shown0) (prefix shown/)\nKV Write:\n");
    expect(await ctl("user grant-role amy reader")).toBe("Role reader is granted to user amy\n");
    await ctl("put shown/a 1");
    // It grants root the root role by itself.
    expect(await ctl("auth enable")).toBe("Authentication Enabled\n");
    expect(await complaint("get shown/a")).toContain("user name is empty");
    expect(await complaint("--user=amy:wrong get shown/a")).toContain("authentication failed");
    expect(await ctl("--user=amy:low get --prefix shown/")).toBe("shown/a\n1\n");
    expect(await complaint("--user=amy:low put shown/a 2")).toContain("permission denied");
    expect(await complaint("--user=amy:low get --prefix s")).toContain("permission denied");
    expect(await ctl("--user=root:top user get amy --detail")).toContain("Role reader\nKV Read:");
    expect(await ctl("--user=root:top user list")).toBe("amy\nroot\n");
    expect(await ctl("--user=root:top role revoke-permission reader shown/ --prefix")).toContain(
      "is revoked from role",
    );
    expect(await complaint("--user=amy:low get shown/a")).toContain("permission denied");
    expect(await ctl("--user=root:top user delete amy")).toBe("User amy deleted\n");
    expect(await complaint("--user=root:top user delete root")).toContain("invalid auth management");
    expect(await ctl("--user=root:top auth disable")).toBe("Authentication Disabled\n");
    expect(await ctl("get shown/a")).toBe("shown/a\n1\n");
    await ctl("user delete root");
    await ctl("role delete reader");
  });
});
