/** A server that is told by a file what it shall be. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { put, txnRequest } from "../../bench/client/requests.ts";
import { goMissingReason } from "../../bench/peers/build.ts";
import { startEtcd } from "../../bench/peers/etcd.ts";
import { freePort } from "../../bench/peers/peer-process.ts";
import { memberListRequest, memberListResponse } from "../../proto/rare.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import { startPlinth } from "../support/plinth-process.ts";
import { expectRefused } from "./answers.ts";

const folder = mkdtempSync(path.join(tmpdir(), "plinth-config-file-"));

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The same file for both; etcd has a peer's URL, which it would else take from others' ports. */
async function fileFor(name: string, port: number, dataDir: string): Promise<string> {
  const file = path.join(folder, `${name}.yml`);
  const peer = `http://127.0.0.1:${await freePort()}`;
  writeFileSync(
    file,
    `name: ${name}
data-dir: ${dataDir}
listen-client-urls: http://127.0.0.1:${port}
advertise-client-urls: http://127.0.0.1:${port},http://db.example:1
listen-peer-urls: ${peer}
initial-advertise-peer-urls: ${peer}
initial-cluster: ${name}=${peer}
max-txn-ops: 2
grpc-keepalive-min-time: 5000000000
auto-compaction-retention: '1'
log-outputs: [stderr]
client-transport-security:
  client-cert-auth: false
`,
  );
  return file;
}

async function check(url: string, name: string): Promise<void> {
  const client = await EtcdClient.connect(url);
  const { members } = await client.rare("Cluster/MemberList", memberListRequest, memberListResponse, {
    linearizable: false,
  });
  expect(members).toMatchObject([{ name, clientURLs: [url, "http://db.example:1"] }]);
  await client.txn(txnRequest([], [put("a"), put("b")]));
  const refused = client.txn(txnRequest([], [put("a"), put("b"), put("c")]));
  await expectRefused(refused, 3, "etcdserver: too many operations in txn request");
  client.lean.destroy();
}

test("Plinth is what its file says, and tells which flags were given in vain", async () => {
  const [port, dataDir] = [await freePort(), path.join(folder, "plinth")];
  const file = await fileFor("of-plinth", port, dataDir);
  const plinth = await startPlinth({ port, dataDir, flags: [`--config-file=${file}`, "--max-txn-ops=100"] });
  try {
    await check(plinth.url, "of-plinth");
    expect(plinth.logLines.join("\n")).toMatch(/environment variables are ignored: .*--max-txn-ops/);
  } finally {
    await plinth.remove();
  }
});

test.skipIf(goMissingReason() !== null)("etcd is the same of the same file", async () => {
  const [port, dataDir] = [await freePort(), path.join(folder, "etcd")];
  const file = await fileFor("of-etcd", port, dataDir);
  const etcd = await startEtcd({ port, dataDir, flags: [`--config-file=${file}`] });
  try {
    await check(etcd.url, "of-etcd");
  } finally {
    await etcd.stop();
  }
});
