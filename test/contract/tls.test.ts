/** TLS on the ports of clients and metrics, as etcd has it. */
import { copyFileSync, readFileSync, renameSync, truncateSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:https";
import { connect as connectPlain } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { connect } from "node:tls";
import type { ConnectionOptions } from "node:tls";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { goMissingReason } from "../../bench/peers/build.ts";
import { freePort } from "../../bench/peers/peer-process.ts";
import { Authority, opensslMissing } from "../journal/quorum/certificates.ts";
import { etcdctl } from "../support/etcdctl.ts";
import { plinthStatus } from "../support/plinth-status.ts";
import { startPlinth } from "../support/plinth-process.ts";
import { serverFlags, startTlsStore, tlsEtcdctl } from "../support/tls-store.ts";
import type { TlsStore } from "../support/tls-store.ts";

const STORES = goMissingReason() === null ? (["plinth", "etcd"] as const) : (["plinth"] as const);

describe.skipIf(opensslMissing || goMissingReason() !== null)("TLS", () => {
  let authority: Authority;
  let foreign: Authority;
  let folder: string;

  beforeAll(async () => {
    authority = new Authority();
    foreign = new Authority();
    for (const name of ["server", "root", "alice", "nobody"]) authority.issue(name);
    authority.issue("elsewhere", "DNS:elsewhere.example");
    authority.issue("over", "DNS:localhost", -1);
    foreign.issue("root");
    folder = await mkdtemp(path.join(tmpdir(), "plinth-tls-"));
  });

  afterAll(async () => {
    authority.remove();
    foreign.remove();
    await rm(folder, { recursive: true });
  });

  async function start(name: "plinth" | "etcd", flags: readonly string[], more = ""): Promise<TlsStore> {
    const store = await startTlsStore(name, flags, more);
    onTestFinished(() => store.remove());
    return store;
  }

  describe.each(STORES)("%s", (name) => {
    test("who shows a certificate of the authority whose time is not over is served, and nobody else", async () => {
      const store = await start(name, serverFlags(authority, "server", "clients"));
      expect(await tlsEtcdctl(store, authority, "alice", ["put", "a", "1"])).toMatchObject({ stdout: "OK\n", code: 0 });
      const refused = await Promise.all([
        tlsEtcdctl(store, authority, null, ["get", "a"]),
        tlsEtcdctl(store, authority, "over", ["get", "a"]),
        tlsEtcdctl(store, foreign, "root", ["get", "a"], authority.caFile),
        tlsEtcdctl(store, foreign, "root", ["get", "a"]),
        etcdctl(`http://127.0.0.1:${store.port}`, ["--command-timeout=3s", "--dial-timeout=2s", "get", "a"]),
      ]);
      expect(refused.map(({ code }) => code)).toEqual([1, 1, 1, 1, 1]);
      expect(await tlsEtcdctl(store, authority, "alice", ["get", "a"])).toMatchObject({ stdout: "a\n1\n" });
    });

    test("an authority is trusted without the one above it, and that one is not", async () => {
      const between = new Authority(authority);
      onTestFinished(() => between.remove());
      between.issue("bob");
      const [cert, key] = serverFlags(authority, "server", "nobody");
      const store = await start(name, [cert, key, `--trusted-ca-file=${between.caFile}`, "--client-cert-auth"]);
      const put = (who: string, by: Authority): ReturnType<typeof tlsEtcdctl> =>
        tlsEtcdctl(store, by, who, ["put", "a", who], authority.caFile);
      expect(await put("bob", between)).toMatchObject({ stdout: "OK\n", code: 0 });
      expect(await put("alice", authority)).toMatchObject({ code: 1 });
    });

    test("a revoked certificate, and one for another host than allowed, are refused", async () => {
      const revoked = [
        ...serverFlags(authority, "server", "clients"),
        `--client-crl-file=${authority.revoke("alice")}`,
      ];
      const allowed = [...serverFlags(authority, "server", "clients"), "--client-cert-allowed-hostname=localhost"];
      const [one, other] = [await start(name, revoked), await start(name, allowed)];
      const endings = await Promise.all([
        tlsEtcdctl(one, authority, "alice", ["get", "a"]),
        tlsEtcdctl(one, authority, "root", ["get", "a"]),
        tlsEtcdctl(other, authority, "elsewhere", ["get", "a"]),
        tlsEtcdctl(other, authority, "alice", ["get", "a"]),
      ]);
      expect(endings.map(({ code }) => code)).toEqual([1, 0, 1, 0]);
    });

    test("with authentication the name in a certificate is the user of who sends no token", async () => {
      const store = await start(name, serverFlags(authority, "server", "clients"));
      const as = async (who: string, ...args: string[]): Promise<string> => {
        const { code, stdout, stderr } = await tlsEtcdctl(store, authority, who, args);
        return code === 0 ? stdout : stderr.replace(/^.*?(?=etcdserver: )/s, "").replace(/["}\n].*$/s, "");
      };
      await as("nobody", "user", "add", "root", "--new-user-password=secret");
      await as("nobody", "user", "grant-role", "root", "root");
      await as("nobody", "user", "add", "alice", "--no-password");
      await as("nobody", "role", "add", "some");
      await as("nobody", "role", "grant-permission", "some", "readwrite", "a");
      await as("nobody", "user", "grant-role", "alice", "some");
      expect(await as("nobody", "auth", "enable")).toBe("Authentication Enabled\n");
      expect([
        await as("alice", "put", "a", "1"),
        await as("alice", "put", "b", "1"),
        await as("alice", "user", "list"),
        await as("root", "put", "b", "1"),
        await as("nobody", "get", "a"),
        // A token comes first.
        await as("alice", "--user=root:secret", "get", "b", "--print-value-only"),
        await as("root", "--user=root:wrong", "get", "b"),
      ]).toEqual([
        "OK\n",
        "etcdserver: permission denied",
        "etcdserver: permission denied",
        "OK\n",
        "etcdserver: permission denied",
        "1\n",
        "etcdserver: authentication failed, invalid user ID or password",
      ]);
      // The gateway's calls would be nobody's.
      const { cert, key } = authority.filesOf("alice");
      const own = { ca: readFileSync(authority.caFile), cert: readFileSync(cert), key: readFileSync(key) };
      const ignored = "CommonName of client sending a request against gateway will be ignored and not used as expected";
      expect(await get(`${store.url}/v3/kv/range`, own)).toContain(ignored);
      expect(await get(`${store.url}/health`, own)).toContain('"health":"true"');
    });

    test("one port serves with TLS and without it where both are asked for", async () => {
      const store = await start(name, serverFlags(authority, "server", "nobody"), ",http://127.0.0.1:PORT");
      expect(await tlsEtcdctl(store, authority, null, ["put", "a", "1"])).toMatchObject({ code: 0 });
      expect(await etcdctl(`http://127.0.0.1:${store.port}`, ["get", "a"])).toMatchObject({ stdout: "a\n1\n" });
      expect(await get(`${store.url}/health`, { ca: readFileSync(authority.caFile) })).toContain('"health":"true"');
    });

    test("metrics are served over TLS", async () => {
      const port = await freePort();
      await start(name, [
        ...serverFlags(authority, "server", "clients"),
        `--listen-metrics-urls=https://127.0.0.1:${port}`,
      ]);
      const ca = readFileSync(authority.caFile);
      const { cert, key } = authority.filesOf("alice");
      const own = { cert: readFileSync(cert), key: readFileSync(key) };
      expect(await get(`https://127.0.0.1:${port}/metrics`, { ca, ...own })).toContain("etcd_server_has_leader 1");
      await expect(get(`https://127.0.0.1:${port}/metrics`, { ca })).rejects.toMatchObject({
        code: expect.any(String),
      });
    });

    test("another certificate in the files is shown to the next connection", async () => {
      const files = copyOf("server", `rotated-${name}`);
      const store = await start(name, [`--cert-file=${files.cert}`, `--key-file=${files.key}`]);
      expect(await shownName(store.port)).toBe("server");
      replace(files, "root");
      expect(await shownName(store.port)).toBe("root");
    });

    test("a certificate is made with --auto-tls", async () => {
      const store = await start(name, ["--auto-tls", "--self-signed-cert-validity=2"]);
      const flags = ["--insecure-transport=false", "--insecure-skip-tls-verify", "put", "a", "1"];
      expect(await etcdctl(store.url, flags)).toMatchObject({ code: 0, stdout: "OK\n" });
    });
  });

  test("files that are half written, or not of one another, leave what there was, and are logged once", async () => {
    const files = copyOf("server", "broken");
    const store = await start("plinth", [`--cert-file=${files.cert}`, `--key-file=${files.key}`]);
    const faults = (): number =>
      store.logLines().filter((line) => line.includes("the files of TLS are no good")).length;
    const fourTimes = async (): Promise<string[]> => [
      await shownName(store.port),
      await shownName(store.port),
      await shownName(store.port),
      await shownName(store.port),
    ];
    copyFileSync(authority.filesOf("root").key, files.key);
    expect(await fourTimes()).toEqual(Array(4).fill("server"));
    await vi.waitUntil(() => faults() === 1);
    truncateSync(files.cert, 200);
    expect(await fourTimes()).toEqual(Array(4).fill("server"));
    await vi.waitUntil(() => faults() === 2);
    copyFileSync(authority.filesOf("root").cert, files.cert);
    expect(await fourTimes()).toEqual(Array(4).fill("root"));
    expect(store.logLines().join("\n")).not.toContain("PRIVATE");
    expect(faults()).toBe(2);
  });

  test("strangers get a clear answer on either kind of port, and the server goes on", async () => {
    const plainPort = await freePort();
    const store = await start("plinth", serverFlags(authority, "server", "nobody"), `,http://127.0.0.1:${plainPort}`);
    expect(await say(store.port, "GET /health HTTP/1.1\r\nhost: a\r\n\r\n")).toBe(
      "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
    );
    expect(await say(store.port, "\u0000\u0001\u0002")).toBe("");
    expect(await say(store.port, "\u0016\u0003\u0001\u0000\u0005hello")).not.toContain("HTTP");
    await expect(shownName(plainPort)).rejects.toMatchObject({ code: expect.any(String) });
    const lines = ["client speaks without TLS", "client speaks TLS where there is none"];
    for (const line of lines) await vi.waitUntil(() => store.logLines().some((logged) => logged.includes(line)));
    expect(await shownName(store.port)).toBe("server");
  });

  test("plinth status asks over TLS, with etcdctl's flags, and a server that is not who it should be is not believed", async () => {
    const store = await start("plinth", serverFlags(authority, "server", "clients"));
    const { cert, key } = authority.filesOf("alice");
    const own = [`--endpoints=${store.url}`, `--cert=${cert}`, `--key=${key}`];
    const [asked, unchecked, foreignRoot, nobody] = await Promise.all([
      plinthStatus(...own, `--cacert=${authority.caFile}`),
      plinthStatus(...own, "--insecure-skip-tls-verify"),
      plinthStatus(...own, `--cacert=${foreign.caFile}`),
      plinthStatus(`--endpoints=${store.url}`, `--cacert=${authority.caFile}`),
    ]);
    expect(asked).toMatchObject({ code: 0, out: expect.stringMatching(/^ {2}role +writer$/m) });
    expect(unchecked.code).toBe(0);
    expect(foreignRoot).toMatchObject({ code: 1, error: expect.stringMatching(/self-signed|signature/) });
    expect(nobody).toMatchObject({ code: 1, error: expect.stringContaining("certificate required") });
  });

  test("names that are not allowed are refused, and a unix socket has TLS", async () => {
    const socket = path.join(folder, "etcd.sock");
    const flags = [...serverFlags(authority, "server", "clients"), "--client-cert-allowed-cn=root,alice"];
    const store = await start("plinth", flags, `,unixs://${socket}`);
    expect((await tlsEtcdctl(store, authority, "alice", ["get", "a"])).code).toBe(0);
    expect((await tlsEtcdctl(store, authority, "nobody", ["get", "a"])).code).toBe(1);
    const { cert, key } = authority.filesOf("root");
    const own = { cert: readFileSync(cert), key: readFileSync(key) };
    expect(
      await nameShown(connect({ path: socket, servername: "localhost", ca: readFileSync(authority.caFile), ...own })),
    ).toBe("server");
  });

  test("the flags of kubeadm's static pod start it as they are", async () => {
    const [clients, metrics, peers] = [await freePort(), await freePort(), await freePort()];
    const { cert, key } = authority.filesOf("server");
    const plinth = await startPlinth({
      port: clients,
      flags: [
        `--advertise-client-urls=https://127.0.0.1:${clients}`,
        `--cert-file=${cert}`,
        "--client-cert-auth=true",
        "--feature-gates=InitialCorruptCheck=true",
        `--initial-advertise-peer-urls=https://127.0.0.1:${peers}`,
        `--initial-cluster=node1=https://127.0.0.1:${peers}`,
        `--key-file=${key}`,
        `--listen-client-urls=https://127.0.0.1:${clients},https://[::1]:${clients}`,
        `--listen-metrics-urls=http://127.0.0.1:${metrics}`,
        `--listen-peer-urls=https://127.0.0.1:${peers}`,
        "--name=node1",
        `--peer-cert-file=${cert}`,
        "--peer-client-cert-auth=true",
        `--peer-key-file=${key}`,
        `--peer-trusted-ca-file=${authority.caFile}`,
        "--snapshot-count=10000",
        `--trusted-ca-file=${authority.caFile}`,
        "--watch-progress-notify-interval=5s",
      ],
    });
    onTestFinished(() => plinth.remove());
    const store = { url: `https://127.0.0.1:${clients}` };
    expect(await tlsEtcdctl(store, authority, "alice", ["endpoint", "health"])).toMatchObject({ code: 0 });
    expect((await fetch(`http://127.0.0.1:${metrics}/readyz`)).status).toBe(200);
  });

  test.each([
    ["missing", "ENOENT"],
    ["a key of another certificate", "key values mismatch"],
    ["no certificate at all", "no whole certificates"],
  ])("files that are %s end a start with what is wrong", async (what, told) => {
    const files = copyOf("server", "start");
    if (what === "missing") files.cert = path.join(folder, "nowhere");
    else if (what.startsWith("a key")) copyFileSync(authority.filesOf("root").key, files.key);
    else truncateSync(files.cert, 0);
    await expect(startTlsStore("plinth", [`--cert-file=${files.cert}`, `--key-file=${files.key}`])).rejects.toThrow(
      told,
    );
  });

  function copyOf(name: string, as: string): { cert: string; key: string } {
    const files = { cert: path.join(folder, `${as}.pem`), key: path.join(folder, `${as}.key`) };
    replace(files, name);
    return files;
  }

  function replace({ cert, key }: { cert: string; key: string }, name: string): void {
    const from = authority.filesOf(name);
    copyFileSync(from.cert, `${cert}.new`);
    copyFileSync(from.key, `${key}.new`);
    renameSync(`${cert}.new`, cert);
    renameSync(`${key}.new`, key);
  }

  /** The common name in the certificate that a new connection is shown. */
  function shownName(port: number): Promise<string> {
    return nameShown(connect({ host: "127.0.0.1", port, ca: readFileSync(authority.caFile), servername: "localhost" }));
  }
});

function nameShown(socket: ReturnType<typeof connect>): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.once("secureConnect", () => {
      const { CN } = socket.getPeerCertificate().subject;
      socket.destroy();
      resolve(String(CN));
    });
    socket.once("error", reject);
  });
}

function get(url: string, options: ConnectionOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    request(url, { ...options, agent: false }, (response) => text(response).then(resolve, reject))
      .once("error", reject)
      .end();
  });
}

/** All that a port answers to these bytes until it closes. */
async function say(port: number, bytes: string): Promise<string> {
  const socket = connectPlain(port, "127.0.0.1");
  socket.write(bytes, "latin1");
  return text(socket);
}
