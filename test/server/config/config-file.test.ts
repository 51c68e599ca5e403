import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { parseConfigFile } from "../../../server/config/config-file.ts";
import { loadConfig } from "../../../server/config/load-config.ts";
import { CONFIG_FILE_BYTES_MAX } from "../../../server/limits.ts";

const folder = mkdtempSync(path.join(tmpdir(), "plinth-config-file-"));
let files = 0;

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function fileOf(text: string): string {
  const file = path.join(folder, `${++files}.yml`);
  writeFileSync(file, text);
  return file;
}

async function load(text: string, args: readonly string[] = [], env: Record<string, string> = {}) {
  return loadConfig([`--config-file=${fileOf(text)}`, ...args], env);
}

async function errorOf(text: string): Promise<string> {
  const loaded = await load(text);
  return loaded.kind === "error" ? loaded.message.replaceAll(/\S+\/\d+\.yml/g, "FILE") : `it is a ${loaded.kind}`;
}

/** Keys of etcd's own sample file, with what it has for them. */
const SAMPLE = `
# This is the configuration file for the etcd server.
name: 'm1'
data-dir: /var/lib/m1
wal-dir:
snapshot-count: 10000
heartbeat-interval: 100
election-timeout: 1000
quota-backend-bytes: 8589934592
listen-peer-urls: http://localhost:2380
listen-client-urls: http://localhost:2379,http://127.0.0.1:2378
max-snapshots: 5
max-wals: 5
cors:
initial-advertise-peer-urls: http://localhost:2380
advertise-client-urls: http://localhost:2379
discovery-srv:
initial-cluster:
initial-cluster-token: 'etcd-cluster'
initial-cluster-state: 'new'
strict-reconfig-check: false
enable-pprof: yes
client-transport-security:
  cert-file:
  key-file:
  client-cert-auth: false
  trusted-ca-file:
  auto-tls: off
peer-transport-security:
  cert-file: /etc/peer.crt
  client-cert-auth: true
  allowed-cn: [a, b]
  skip-client-san-verification: false
self-signed-cert-validity: 1
log-level: debug
log-outputs: [stderr, /tmp/log]
force-new-cluster: false
auto-compaction-mode: periodic
auto-compaction-retention: 1
grpc-keepalive-min-time: 7000000000
watch-progress-notify-interval: 3s
auth-token-ttl: 60
bcrypt-cost: 5
cipher-suites: [
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
]
`;

test("keys are those of etcd's file, and values what its types are", async () => {
  expect(await load(SAMPLE)).toMatchObject({
    kind: "config",
    config: {
      name: "m1",
      dataDir: "/var/lib/m1",
      quotaBackendBytes: 8_589_934_592,
      listenClientAddresses: [
        { host: "127.0.0.1", port: 2379 },
        { host: "127.0.0.1", port: 2378 },
      ],
      autoCompaction: { mode: "periodic", retentionMs: 3_600_000 },
      keepAlive: { minTimeMs: 7_000 },
      watchProgressNotifyIntervalMs: 3_000,
      electionMs: 1_000,
      logLevel: "debug",
      logOutputs: ["stderr", "/tmp/log"],
      authTokenTtlMs: 60_000,
      bcryptCost: 5,
    },
    noEffect: expect.arrayContaining(["peer-cert-file", "peer-cert-allowed-cn", "snapshot-count"]),
    warnings: [],
  });
});

test("keys of Plinth's own are flags as well, and JSON is YAML", async () => {
  const text = JSON.stringify({ name: "m2", "history-retention": "1h", "max-txn-ops": 7, "take-over": true });
  expect(await load(text)).toMatchObject({
    config: { name: "m2", historyRetentionMs: 3_600_000, maxTxnOps: 7, takeOver: true },
  });
  expect(await load("")).toMatchObject({ config: { name: "default" } });
  expect(await load("# nothing\n")).toMatchObject({ config: { name: "default" } });
});

test("flags and variables beside the file are ignored, and named", async () => {
  const ignored =
    "loaded server configuration, other configuration command line flags and environment variables are ignored: ";
  expect(
    await load("name: m1", ["--name=other", "--max-txn-ops=9"], { ETCD_DATA_DIR: "/x", ETCD_OTHER: "y" }),
  ).toMatchObject({
    config: { name: "m1", dataDir: "m1.plinth", maxTxnOps: 128 },
    warnings: [`${ignored}--max-txn-ops, --name, ETCD_DATA_DIR`],
  });
  // A variable may name the file; both ways are no conflict then.
  const byVariable = await loadConfig(["--name=x"], { ETCD_CONFIG_FILE: fileOf("name: m3"), ETCD_NAME: "y" });
  expect(byVariable).toMatchObject({ config: { name: "m3" }, warnings: [`${ignored}--name, ETCD_NAME`] });
  expect(await load("name: m1", ["--version"])).toMatchObject({ kind: "version" });
  expect(await load("name: m1", ["--unknown=1"])).toMatchObject({ message: "flag provided but not defined: -unknown" });
});

test.each([
  ["name: m1\nnmae: m2\n", 'configuration file FILE, line 2: "nmae" is no key of etcd or Plinth'],
  ["a: [1\n", /^configuration file FILE, line \d: Flow sequence/],
  ["name: a\nname: b\n", /^configuration file FILE, line 2: Map keys must be unique/],
  ["- name\n", "configuration file FILE, line 1: it must have keys with values"],
  ["name: {a: b}\n", "configuration file FILE, line 1: name must be a value, or a list of them"],
  ["config-file: x\n", 'configuration file FILE, line 1: "config-file" is no key of etcd or Plinth'],
  [
    "\ncert-file: x\n",
    'configuration file FILE, line 2: "cert-file" stands in a section here, client-transport-security: cert-file',
  ],
  [
    "client-transport-security: yes\n",
    "configuration file FILE, line 1: invalid client-transport-security: it must have keys with values",
  ],
  [
    "peer-transport-security:\n  cert: x\n",
    'configuration file FILE, line 2: "cert" is no key of peer-transport-security',
  ],
  [
    "discovery-config: {token: x}\n",
    "configuration file FILE, line 1: discovery-config is not supported: each server is a cluster of one",
  ],
  ["name: a\nmax-txn-ops: many\n", 'invalid value "many" for max-txn-ops in FILE, line 2: parse error'],
  [
    "strict-reconfig-check: perhaps\n",
    'invalid boolean value "perhaps" for strict-reconfig-check in FILE, line 1: parse error',
  ],
  ["initial-cluster: a=http://a:1,b=http://b:1\n", /for initial-cluster in FILE, line 1: not supported yet: /],
])("%j is refused with its line", async (text, message) => {
  expect(await errorOf(text)).toMatch(message);
});

test("a file that is not there, or is too long, is refused", async () => {
  expect(await loadConfig(["--config-file=/no/such.yml"], {})).toEqual({
    kind: "error",
    message: "--config-file: /no/such.yml cannot be read: ENOENT",
  });
  expect(await errorOf(" ".repeat(CONFIG_FILE_BYTES_MAX + 1))).toBe(
    `--config-file: FILE has more than ${CONFIG_FILE_BYTES_MAX} bytes`,
  );
});

test("what stands in a section is the flag of its name", () => {
  const settings = parseConfigFile(
    "f",
    "client-transport-security:\n  cert-file: c\n  client-cert-auth: true\n  allowed-hostname: [a, b]\nsocket-options: {reuse-port: true}\n",
  );
  expect([...settings.values()].map(({ name, text }) => `${name}=${text}`)).toEqual([
    "cert-file=c",
    "client-cert-auth=true",
    "client-cert-allowed-hostname=a,b",
    "socket-reuse-port=true",
  ]);
});
