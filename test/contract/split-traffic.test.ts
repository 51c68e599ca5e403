/** gRPC on one port and HTTP on another, with `--listen-client-http-urls`. */
import { connect } from "node:http2";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { goMissingReason } from "../../bench/peers/build.ts";
import { freePort } from "../../bench/peers/peer-process.ts";
import { Authority, opensslMissing } from "../journal/quorum/certificates.ts";
import { etcdctl } from "../support/etcdctl.ts";
import { describeStores } from "../support/stores.ts";
import { serverFlags, startTlsStore, tlsEtcdctl } from "../support/tls-store.ts";

const NEVER_ANSWERED = ["--command-timeout=2s", "--dial-timeout=1s"];

describeStores("traffic of its own", (start) => {
  test("HTTP is served there alone, and gRPC on the client URLs alone", async () => {
    const http = `http://127.0.0.1:${await freePort()}`;
    const store = await start([`--listen-client-http-urls=${http}`]);
    onTestFinished(() => store.remove());
    expect(await etcdctl(store.url, ["put", "a", "1"])).toMatchObject({ code: 0, stdout: "OK\n" });
    for (const path of ["/health", "/version", "/metrics", "/debug/vars"]) {
      expect([path, (await fetch(http + path)).status]).toEqual([path, 200]);
    }
    const range = await fetch(`${http}/v3/kv/range`, { method: "POST", body: '{"key":"YQ=="}' });
    expect(await range.json()).toMatchObject({ count: "1", kvs: [{ key: "YQ==", value: "MQ==" }] });
    await expect(fetch(`${store.url}/health`)).rejects.toThrow("fetch failed");
    expect(await etcdctl(http, [...NEVER_ANSWERED, "get", "a"])).toMatchObject({ code: 1, stdout: "" });
  });
});

const STORES = goMissingReason() === null ? (["plinth", "etcd"] as const) : (["plinth"] as const);

describe.skipIf(opensslMissing || goMissingReason() !== null)("traffic of its own over TLS", () => {
  let authority: Authority;

  beforeAll(() => {
    authority = new Authority();
    for (const name of ["server", "root"]) authority.issue(name);
  });

  afterAll(() => authority.remove());

  test.each(STORES)("%s: HTTP there alone, in both its versions, and gRPC on the client URLs alone", async (name) => {
    const port = await freePort();
    const more = [`--listen-client-http-urls=https://127.0.0.1:${port}`];
    const store = await startTlsStore(name, [...serverFlags(authority, "server", "clients"), ...more]);
    onTestFinished(() => store.remove());
    expect(await tlsEtcdctl(store, authority, "root", ["put", "a", "1"])).toMatchObject({ code: 0, stdout: "OK\n" });
    expect(await statusOverHttp2(`https://127.0.0.1:${port}`, "/health")).toBe(200);
    expect(await statusOverHttp2(store.url, "/health")).not.toBe(200);
    const elsewhere = { url: `https://127.0.0.1:${port}` };
    const refused = await tlsEtcdctl(elsewhere, authority, "root", [...NEVER_ANSWERED, "get", "a"]);
    expect(refused).toMatchObject({ code: 1, stdout: "" });
  });

  async function statusOverHttp2(url: string, path: string): Promise<number | undefined> {
    const { cert, key } = authority.filesOf("root");
    const [ca, own, secret] = [authority.caFile, cert, key].map((file) => readFileSync(file));
    const session = connect(url, { ca, cert: own, key: secret });
    try {
      return await new Promise((resolve, reject) => {
        session.on("error", reject);
        const stream = session.request({ ":path": path });
        stream.on("response", (headers) => resolve(headers[":status"]));
        stream.on("error", reject);
      });
    } finally {
      session.destroy();
    }
  }
});
