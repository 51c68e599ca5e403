/** What an operator reads in the log of what clients have done, in etcd's words. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import {
  authRoleAddRequest,
  authRoleAddResponse,
  authUserChangePasswordRequest,
  authUserChangePasswordResponse,
} from "../../proto/auth.ts";
import { prefixEnd, put, putRequest, rangeRequest, txnRequest } from "../../bench/client/requests.ts";
import { ALARM_ACTION_ACTIVATE, ALARM_ACTION_DEACTIVATE, ALARM_NOSPACE } from "../../proto/rare.ts";
import { RANGE_SLICE_KEYS } from "../../server/limits.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores, startPlinthStore } from "../support/stores.ts";
import { AMY, authenticate, CHEAP_PASSWORDS, connectAs, enableAuth, makeUsers, ROOT, rpc } from "./users.ts";

const PREFIX = "/registry/secrets/";
const NAME = "the-name-of-an-object";
const VALUE = "a value that nobody may see";
const NEW_PASSWORD = "a new password";
/** With these, everything takes too long. */
const SLOW = ["--warning-apply-duration=1ns", "--warning-unary-request-duration=1ns"];

describeStores("the log", (start, name) => {
  const shared = new SharedStore(start, [...SLOW, ...CHEAP_PASSWORDS]);

  function lines(message: string): Record<string, unknown>[] {
    return shared.store
      .logLines()
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as Record<string, unknown>) // Each line is an object.
      .filter(({ msg }) => msg === message);
  }

  beforeAll(async () => {
    const { client } = shared;
    await client.put(putRequest(`${PREFIX}default/${NAME}`, VALUE));
    const { header } = await client.put(putRequest(`${PREFIX}default/${NAME}`, VALUE));
    await client.compact({ revision: header?.revision ?? 0, physical: true });
    const memberID = header?.memberId ?? 0n;
    const alarm = { memberID, alarm: ALARM_NOSPACE };
    await client.alarm({ ...alarm, action: ALARM_ACTION_ACTIVATE });
    await client.alarm({ ...alarm, action: ALARM_ACTION_DEACTIVATE });
    await makeUsers(client);
    await enableAuth(client);
    await expect(authenticate(client, { name: AMY.name, password: "wrong" })).rejects.toThrow("authentication failed");
    const root = await connectAs(shared.store.url, ROOT);
    const request = { name: AMY.name, password: NEW_PASSWORD, hashedPassword: "" };
    await rpc(root, "UserChangePassword", authUserChangePasswordRequest, authUserChangePasswordResponse, request);
    await rpc(root, "RoleAdd", authRoleAddRequest, authRoleAddResponse, { name: "auditor" });
    const metadata = [["token", "of nobody"]] as const;
    const listed = client.lean.call("/etcdserverpb.Lease/LeaseLeases", Buffer.alloc(0), { metadata });
    await expect(listed).rejects.toThrow("invalid auth token");
    root.lean.destroy();
  });

  const told = (message: string) => expect.poll(() => lines(message));

  test("a failed login names the user", async () => {
    await told("invalid authentication was requested").toEqual([
      expect.objectContaining({
        level: "warn",
        user: AMY.name,
        error: expect.stringContaining("authentication failed, invalid user ID or password"),
      }),
    ]);
  });

  test("a token that is none is told of", async () => {
    await expect.poll(() => lines("invalid auth token")).toHaveLength(1);
  });

  test("changes of users and roles are told of", async () => {
    await told("added a user").toContainEqual(expect.objectContaining({ level: "info", "user-name": AMY.name }));
    await told("changed a password of a user").toEqual([expect.objectContaining({ "user-name": AMY.name })]);
    await told("created a role").toContainEqual(expect.objectContaining({ "role-name": "auditor" }));
    await told("granted a role to a user").toContainEqual(expect.objectContaining({ "user-name": ROOT.name }));
    await told("enabled authentication").toHaveLength(1);
  });

  test("a compaction that a client asked for is told of, with revision and time", async () => {
    await told("finished scheduled compaction").toEqual([
      expect.objectContaining({
        level: "info",
        "compact-revision": 3,
        took: expect.stringMatching(/^[\d.]+(?:µs|ms|s)$/),
      }),
    ]);
  });

  test("a request that takes longer than it may is told of, with what it may take", async () => {
    await told("apply request took too long").toContainEqual(
      expect.objectContaining({
        level: "warn",
        took: expect.any(String),
        "expected-duration": expect.any(String),
        prefix: expect.any(String),
        request: expect.stringContaining("put"),
      }),
    );
    await told("request stats").toContainEqual(
      expect.objectContaining({
        level: "warn",
        "time spent": expect.any(String),
        "response type": "/etcdserverpb.KV/Put",
      }),
    );
  });

  test("no password is in it", () => {
    const all = shared.store.logLines().join("\n");
    for (const { password } of [ROOT]) expect(all).not.toContain(password);
    expect(all).not.toContain(NEW_PASSWORD);
    expect(all).not.toContain("of nobody");
    expect(all).not.toContain(VALUE);
  });

  test.runIf(name === "plinth")("alarms are told of, and of a key its prefix, by who changed what", async () => {
    await told("alarm raised").toEqual([expect.objectContaining({ level: "warn", alarm: "NOSPACE" })]);
    await told("alarm disarmed").toEqual([expect.objectContaining({ level: "info", alarm: "NOSPACE" })]);
    await told("changed a password of a user").toEqual([expect.objectContaining({ by: ROOT.name })]);
    await told("request stats").toContainEqual(expect.objectContaining({ prefix: "/registry/secrets" }));
    expect(shared.store.logLines().join("\n")).not.toContain(NAME);
  });
});

describeStores("the log as a file", (start) => {
  test("that is as large as it may be is moved away and compressed, as --log-rotation-config-json says", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "plinth-rotated-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const file = path.join(folder, "etcd.log");
    const before = "x".repeat(1024 * 1024 - 1);
    writeFileSync(file, `${before}\n`);
    const options = '{"maxsize":1,"maxbackups":2,"compress":true}';
    const outputs = `--log-outputs=stderr,${file}`;
    const store = await start([outputs, "--enable-log-rotation", `--log-rotation-config-json=${options}`]);
    onTestFinished(() => store.remove());
    const names = await vi.waitUntil(() => {
      const [backup, ...others] = readdirSync(folder).filter((name) => name !== "etcd.log");
      return backup?.endsWith(".gz") && others.length === 0 && backup;
    });
    expect(names).toMatch(/^etcd-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}\.log\.gz$/);
    expect(gunzipSync(readFileSync(path.join(folder, names))).toString() === `${before}\n`).toBe(true);
    await expect.poll(() => readFileSync(file, "utf8")).toContain("ready to serve client requests");
  });
});

describe("the log of a long list", () => {
  const keys = RANGE_SLICE_KEYS + 1;
  const shared = new SharedStore(startPlinthStore, ["--warning-unary-request-duration=1ns", `--max-txn-ops=${keys}`]);

  test("has its prefix", async () => {
    await shared.client.txn(txnRequest(Array.from({ length: keys }, (_, i) => put(`${PREFIX}default/${i}`))));
    const { count } = await shared.client.range(rangeRequest(PREFIX, { rangeEnd: prefixEnd(PREFIX) }));
    expect(count).toBe(keys);
    const part = '"response type":"/etcdserverpb.KV/Range","prefix":"/registry/secrets"';
    await expect.poll(() => shared.store.logLines().some((line) => line.includes(part))).toBe(true);
  });
});
