/**
 * The JSON gateway as people and programs without gRPC use it: the requests of etcd's documentation, streams, tokens, and what
 * HTTP/1.1 allows on the way. What random requests can find is in etcd/gateway.
 */
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import type { ClientHttp2Stream } from "node:http2";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { text as textOf } from "node:stream/consumers";
import type { IncomingMessage } from "node:http";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { HttpClient } from "../support/http-client.ts";
import type { HttpCall } from "../support/http-client.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";
import { startPlinth } from "../support/plinth-process.ts";
import { CHEAP_PASSWORDS } from "./users.ts";

/** Ids and terms are each server's own. */
const OWN = new Set(["cluster_id", "member_id", "raft_term"]);

function parsed(json: string): unknown {
  return JSON.parse(json, (name, value: unknown) => (OWN.has(name) ? undefined : value));
}

/** The lines of a streamed answer, each when it is asked for. */
function linesOf(response: IncomingMessage): () => Promise<unknown> {
  const lines = createInterface({ input: response })[Symbol.asyncIterator]();
  return async () => {
    const { value, done } = await lines.next();
    return done === true ? null : parsed(value);
  };
}

const b64 = (text: string): string => Buffer.from(text).toString("base64");

describeStores("the JSON gateway", (start) => {
  describe("of a store for all tests", () => {
    const shared = new SharedStore(start);
    let http: HttpClient | null = null;
    const client = (): HttpClient => (http ??= new HttpClient(shared.store.url));
    afterAll(() => http?.close());

    async function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<unknown> {
      const text = typeof body === "string" ? body : JSON.stringify(body);
      const answer = await client().call({ path, headers, body: text });
      return [answer.status, parsed(answer.body)];
    }

    async function stream(call: Omit<HttpCall, "method">): Promise<() => Promise<unknown>> {
      const response = await client().open(call);
      onTestFinished(() => void response.destroy());
      expect(response.statusCode).toBe(200);
      return linesOf(response);
    }

    test("a lock is waited for, and given up with the connection; an election is observed line by line", async () => {
      const lease = async (): Promise<string> => {
        const answer = (await post("/v3/lease/grant", { TTL: 600 })) as [number, { ID: string }];
        return answer[1].ID;
      };
      const [holder, waiter] = [await lease(), await lease()];
      const keyOf = (name: string, id: string): string => b64(`${name}/${BigInt(id).toString(16)}`);
      const first = await post("/v3/lock/lock", { name: b64("json"), lease: holder });
      expect(first).toMatchObject([200, { key: keyOf("json", holder) }]);
      const count = async (length: number): Promise<void> => {
        const range = { key: b64("json/"), range_end: b64("json0"), count_only: true };
        const look = async () => ((await post("/v3/kv/range", range)) as [number, { count?: string }])[1].count;
        await expect.poll(look, { timeout: 15_000 }).toBe(`${length}`);
      };
      const gone = new HttpClient(shared.store.url);
      const never = gone.call({ path: "/v3/lock/lock", body: JSON.stringify({ name: b64("json"), lease: waiter }) });
      void never.catch(() => {});
      await count(2);
      gone.close();
      await count(1);
      const waits = post("/v3/lock/lock", { name: b64("json"), lease: waiter });
      await count(2);
      expect(await post("/v3/lock/unlock", { key: keyOf("json", holder) })).toMatchObject([200, {}]);
      expect(await waits).toMatchObject([200, { key: keyOf("json", waiter) }]);
      const campaign = await post("/v3/election/campaign", { name: b64("led"), lease: holder, value: b64("one") });
      expect(campaign).toMatchObject([200, { leader: { name: b64("led"), key: keyOf("led", holder), lease: holder } }]);
      const next = await stream({ path: "/v3/election/observe", body: JSON.stringify({ name: b64("led") }) });
      expect(await next()).toMatchObject({ result: { kv: { value: b64("one") } } });
      const [, { leader }] = campaign as [number, { leader: object }];
      await post("/v3/election/proclaim", { leader, value: b64("two") });
      expect(await next()).toMatchObject({ result: { kv: { value: b64("two") } } });
      const refused = await post("/v3/election/resign", {});
      expect(refused).toMatchObject([500, { code: 2, message: '"leader" field must be provided' }]);
    });

    test("§9.4: put and get keys, as the documentation has it", async () => {
      const first = await shared.revision();
      expect(await post("/v3/kv/put", { key: b64("foo"), value: b64("bar") })).toEqual([
        200,
        { header: { revision: String(first + 1) } },
      ]);
      const revision = String(first + 1);
      const kv = {
        key: b64("foo"),
        create_revision: revision,
        mod_revision: revision,
        version: "1",
        value: b64("bar"),
      };
      expect(await post("/v3/kv/range", { key: b64("foo") })).toEqual([
        200,
        { header: { revision }, kvs: [kv], count: "1" },
      ]);
      const prefix = { key: b64("foo"), range_end: b64("fop") };
      expect(await post("/v3beta/kv/range", prefix)).toEqual([200, { header: { revision }, kvs: [kv], count: "1" }]);
    });

    test("§9.4: compare create revisions and versions in a txn, as the documentation has it", async () => {
      await shared.delete("txn");
      await shared.put("txn", "1");
      const put = [{ requestPut: { key: b64("txn"), value: b64("2") } }];
      const byVersion = [{ version: "4", result: "EQUAL", target: "VERSION", key: b64("txn") }];
      const range = [{ requestRange: { key: b64("txn") } }];
      expect(await post("/v3/kv/txn", { compare: byVersion, success: put, failure: range })).toMatchObject([
        200,
        { responses: [{ response_range: { kvs: [{ value: b64("1"), version: "1" }], count: "1" } }] },
      ]);
      const byLess = [{ target: "VERSION", result: "LESS", version: 4, key: b64("txn") }];
      expect(await post("/v3/kv/txn", { compare: byLess, success: put })).toMatchObject([
        200,
        { succeeded: true, responses: [{ response_put: { header: {} } }] },
      ]);
    });

    test("§9.4: a watch tells of each change in a line, also of those before it came", async () => {
      const revision = await shared.put("watch", "1");
      const request = { create_request: { key: b64("watch"), start_revision: String(revision) } };
      const next = await stream({ path: "/v3/watch", body: JSON.stringify(request) });
      expect(await next()).toEqual({ result: { header: { revision: String(revision) }, created: true } });
      expect(await next()).toMatchObject({ result: { events: [{ kv: { key: b64("watch"), value: b64("1") } }] } });
      await shared.put("watch", "2");
      expect(await next()).toMatchObject({ result: { events: [{ kv: { value: b64("2"), version: "2" } }] } });
      await shared.delete("watch");
      expect(await next()).toMatchObject({ result: { events: [{ type: "DELETE", kv: { key: b64("watch") } }] } });
    });

    test("§9.4: one body may have several requests for a stream", async () => {
      const create = (key: string): string => JSON.stringify({ create_request: { key: b64(key) } });
      const body = `${create("w0")}\n${create("w1")} {"cancel_request":{"watch_id":"0"}}`;
      const next = await stream({ path: "/v3/watch", body });
      expect(await next()).toMatchObject({ result: { created: true } });
      expect(await next()).toMatchObject({ result: { created: true, watch_id: "1" } });
      expect(await next()).toMatchObject({ result: { canceled: true } });
      await shared.put("w1");
      expect(await next()).toMatchObject({ result: { watch_id: "1", events: [{ kv: { key: b64("w1") } }] } });
    });

    test("§9.4: a watch that is cancelled by the server says why", async () => {
      const request = { create_request: { key: b64("w"), start_revision: "-1" } };
      const next = await stream({ path: "/v3/watch", body: JSON.stringify(request) });
      expect(await next()).toMatchObject({
        result: {
          watch_id: "-1",
          created: true,
          canceled: true,
          cancel_reason: "etcdserver: mvcc: required revision has been compacted",
        },
      });
    });

    test("§9.4: a call ends when its grpc-timeout is over, and a stream says so in its last line", async () => {
      const body = JSON.stringify({ create_request: { key: b64("w") } });
      const headers = { "grpc-timeout": "300m" };
      const next = await stream({ path: "/v3/watch", headers, body });
      expect(await next()).toMatchObject({ result: { created: true } });
      // etcd sometimes says instead that the stream was reset.
      expect(await next()).toMatchObject({ error: { code: 4 } });
      expect(await next()).toBe(null);
      expect(await post("/v3/watch", "", headers)).toMatchObject([504, { error: { code: 4 } }]);
    });

    test("§9.4: leases are kept alive, each request of a body with an answer", async () => {
      expect(await post("/v3/lease/grant", { ID: "71", TTL: "500" })).toMatchObject([200, { ID: "71", TTL: "500" }]);
      const next = await stream({ path: "/v3/lease/keepalive", body: '{"ID":"71"}{"ID":72}' });
      expect(await next()).toMatchObject({ result: { ID: "71", TTL: "500" } });
      const unknown = (await next()) as { result: object };
      expect(unknown).toMatchObject({ result: { ID: "72" } });
      expect(unknown.result).not.toHaveProperty("TTL");
      expect(await next()).toBe(null);
      for (const path of ["/v3/lease/timetolive", "/v3/kv/lease/timetolive"]) {
        expect(await post(path, { ID: "71", keys: true })).toMatchObject([200, { ID: "71", grantedTTL: "500" }]);
      }
      expect(await post("/v3/kv/lease/revoke", { ID: "71" })).toMatchObject([200, { header: {} }]);
    });

    test("§9.4: a stream whose body is no JSON ends as if it had said no more", async () => {
      for (const body of ["", '{"ID":"x"}', "{", "}"]) {
        const answer = await client().call({ path: "/v3/lease/keepalive", body });
        expect([answer.status, answer.headers["content-type"], answer.body]).toEqual([200, undefined, ""]);
      }
    });

    test("§9.4: a snapshot comes in pieces that are the database's file", async () => {
      const response = await client().open({ path: "/v3/maintenance/snapshot", body: "{}" });
      const next = linesOf(response);
      const pieces: Buffer[] = [];
      for (let line = await next(); line !== null; line = await next()) {
        pieces.push(Buffer.from((line as { result: { blob?: string } }).result.blob ?? "", "base64"));
      }
      const file = Buffer.concat(pieces);
      // bbolt's magic number stands behind its first page's header; the last 32 bytes are the sum of all before.
      expect(file.readUInt32LE(16)).toBe(0xed0cdaed);
      expect((file.length - 32) % 4096).toBe(0);
      expect(await post("/v3/maintenance/snapshot", "{")).toEqual([400, { code: 3, message: "unexpected EOF" }]);
    });

    test("§9.4: lists that are longer than a window come whole", async () => {
      const value = "v".repeat(400_000);
      for (let i = 0; i < 6; i++) await shared.put(`long/${i}`, value);
      const request = { key: b64("long/"), range_end: b64("long0") };
      const [status, answer] = (await post("/v3/kv/range", request)) as [number, { kvs: { value: string }[] }];
      expect(status).toBe(200);
      expect(answer.kvs).toHaveLength(6);
      for (const kv of answer.kvs) expect(kv.value === b64(value)).toBe(true);
    });

    test("§10 GR-03: a request that is too large is refused in the words of gRPC, or of --max-request-bytes", async () => {
      const put = (bytes: number): string =>
        JSON.stringify({ key: b64("k"), value: Buffer.alloc(bytes).toString("base64") });
      expect(await post("/v3/kv/put", put(1_600_000))).toEqual([
        400,
        { code: 3, message: "etcdserver: request is too large" },
      ]);
      expect(await post("/v3/kv/put", put(2_200_000))).toEqual([
        429,
        { code: 8, message: "grpc: received message larger than max (2200008 vs. 2097152)" },
      ]);
    });

    test("§9.4: chunked bodies, Expect: 100-continue, and requests that do not wait for answers", async () => {
      const socket = connect(Number(new URL(shared.store.url).port), "127.0.0.1");
      onTestFinished(() => void socket.destroy());
      await once(socket, "connect");
      let text = "";
      socket.on("data", (bytes: Buffer) => (text += bytes.toString("latin1")));
      const until = async (pattern: RegExp): Promise<void> => {
        while (!pattern.test(text)) await once(socket, "data");
      };
      const body = JSON.stringify({ key: b64("http") });
      const head = "POST /v3/kv/range HTTP/1.1\r\nHost: x\r\n";
      socket.write(`${head}Expect: 100-continue\r\nContent-Length: ${body.length}\r\n\r\n`);
      await until(/^HTTP\/1\.1 100 Continue\r\n\r\n/);
      socket.write(body);
      await until(/200 OK/);
      const chunks = [body.slice(0, 5), body.slice(5)].map((part) => `${part.length.toString(16)}\r\n${part}\r\n`);
      socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n${chunks[0]}`);
      const last = `${head}Content-Length: 2\r\nConnection: close\r\n\r\n{}`;
      socket.write(`${chunks[1]}0\r\n\r\n${head}Content-Length: ${body.length}\r\n\r\n${body}${last}`);
      await once(socket, "close");
      expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual([100, 200, 200, 200, 400].map((status) => `HTTP/1.1 ${status}`));
    });

    test("§9.4: other methods, other paths", async () => {
      const ask = async (method: string, path: string): Promise<unknown> => {
        const { status, headers, body } = await client().call({ method, path });
        return [status, headers["content-type"] ?? null, headers.location ?? body.trim()];
      };
      const json = "application/json";
      expect(await ask("GET", "/v3/kv/range")).toEqual([501, json, expect.stringContaining("Method Not Allowed")]);
      expect(await ask("POST", "/v3/nothing")).toEqual([404, json, expect.stringContaining("Not Found")]);
      expect(await ask("POST", "/v3/kv/range/")).toEqual([404, json, expect.stringContaining("Not Found")]);
      expect(await ask("POST", "/v3alpha/kv/range")).toEqual([404, "text/plain; charset=utf-8", "404 page not found"]);
      expect(await ask("POST", "/v3//kv/range")).toEqual([307, null, "/v3/kv/range"]);
      expect(await ask("OPTIONS", "/v3/kv/range")).toEqual([200, null, ""]);
    });
  });

  describe("with users", () => {
    const shared = new SharedStore(start, CHEAP_PASSWORDS);

    test("§9.3: who enables authentication asks for a token and sends it along", async () => {
      const http = new HttpClient(shared.store.url);
      onTestFinished(() => http.close());
      const post = async (path: string, body: object, headers = {}): Promise<[number, Record<string, unknown>]> => {
        const answer = await http.call({ path, headers, body: JSON.stringify(body) });
        return [answer.status, parsed(answer.body) as Record<string, unknown>];
      };
      const done = [200, { header: expect.anything() as unknown }];
      expect(await post("/v3/auth/user/add", { name: "root", password: "pass" })).toEqual(done);
      expect(await post("/v3/auth/role/add", { name: "root" })).toEqual(done);
      expect(await post("/v3/auth/user/grant", { user: "root", role: "root" })).toEqual(done);
      expect(await post("/v3/auth/enable", {})).toEqual(done);
      const put = { key: b64("foo"), value: b64("bar") };
      expect(await post("/v3/kv/put", put)).toEqual([400, { code: 3, message: "etcdserver: user name is empty" }]);
      expect(await post("/v3/auth/authenticate", { name: "root", password: "no" })).toMatchObject([400, { code: 3 }]);
      const [status, { token }] = await post("/v3/auth/authenticate", { name: "root", password: "pass" });
      expect(status).toBe(200);
      for (const headers of [{ authorization: token }, { "grpc-metadata-token": token }]) {
        expect(await post("/v3/kv/put", put, headers)).toEqual(done);
      }
      const wrong = await http.call({
        path: "/v3/kv/put",
        headers: { authorization: "no" },
        body: JSON.stringify(put),
      });
      expect([wrong.status, wrong.headers["www-authenticate"], parsed(wrong.body)]).toEqual([
        401,
        "etcdserver: invalid auth token",
        { code: 16, message: "etcdserver: invalid auth token" },
      ]);
      const permission = { permType: "READ", key: b64("foo") };
      const root = { authorization: token };
      expect(await post("/v3/auth/role/add", { name: "r" }, root)).toEqual(done);
      expect(await post("/v3/auth/role/grant", { name: "r", perm: permission }, root)).toEqual(done);
      // What is zero, as READ is, is not said.
      expect(await post("/v3/auth/role/get", { role: "r" }, root)).toMatchObject([
        200,
        { perm: [{ key: b64("foo") }] },
      ]);
    });
  });

  test("§9.4: --cors and --host-whitelist say who is served, --enable-grpc-gateway=false that nobody is", async () => {
    const flags = ["--cors=http://a.example:80", "--host-whitelist=db.example", "--enable-grpc-gateway=false"];
    const store = await start(flags);
    const http = new HttpClient(store.url);
    onTestFinished(async () => {
      http.close();
      await store.remove();
    });
    const ask = async (headers: Record<string, string>): Promise<unknown[]> => {
      const answer = await http.call({ method: "GET", path: "/version", headers });
      return [answer.status, answer.headers["access-control-allow-origin"] ?? null, answer.body.split("\n")[1] ?? ""];
    };
    const host = "db.example:2379";
    expect((await ask({ host })).slice(0, 2)).toEqual([200, null]);
    expect((await ask({ host, origin: "http://a.example:80" })).slice(0, 2)).toEqual([200, "http://a.example:80"]);
    expect((await ask({ host, origin: "http://b.example:80" })).slice(0, 2)).toEqual([200, null]);
    const refused = "etcd received your request, but the Host header was unrecognized.";
    expect(await ask({ host: "evil.example" })).toEqual([421, null, refused]);
    const call = { path: "/v3/kv/range", headers: { host }, body: "{}" };
    expect(await http.call(call)).toMatchObject({ status: 404, body: "404 page not found\n" });
  });
});

test("it is served over HTTP/2 as well", async () => {
  const plinth = await startPlinth();
  onTestFinished(() => plinth.remove());
  const session = connectHttp2(plinth.url);
  onTestFinished(() => session.destroy());
  const post = (path: string, body: string): ClientHttp2Stream => {
    const stream = session.request({ ":method": "POST", ":path": path });
    stream.end(body);
    return stream;
  };
  const value = Buffer.alloc(1_400_000, "plinth").toString("base64");
  const watch = post("/v3/watch", JSON.stringify({ create_request: { key: b64("k") } }));
  const lines = createInterface({ input: watch })[Symbol.asyncIterator]();
  expect((await lines.next()).value).toContain('"created":true');
  expect(await textOf(post("/v3/kv/put", JSON.stringify({ key: b64("k"), value })))).toContain('"revision":"2"');
  expect(JSON.parse(String((await lines.next()).value))).toMatchObject({ result: { events: [{ kv: { value } }] } });
  expect(JSON.parse(await textOf(post("/v3/kv/range", JSON.stringify({ key: b64("k") }))))).toMatchObject({
    kvs: [{ value }],
  });
});

test("a stream is told of the server's end", async () => {
  const plinth = await startPlinth();
  onTestFinished(() => plinth.remove());
  const http = new HttpClient(plinth.url);
  onTestFinished(() => http.close());
  const next = linesOf(await http.open({ path: "/v3/watch", body: '{"create_request":{"key":"YQ=="}}' }));
  expect(await next()).toMatchObject({ result: { created: true } });
  const stopped = plinth.stop();
  expect(await next()).toEqual({ error: { code: 14, message: "etcdserver: server stopped" } });
  await stopped;
});
