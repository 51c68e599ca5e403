import diagnosticsChannel from "node:diagnostics_channel";
import { once, type EventEmitter } from "node:events";
import { mkdtemp, rename, rm, stat, writeFile } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";

import type { Engine } from "../../../server/engine/engine.ts";
import { HealthChecks } from "../../../server/http/health-checks.ts";
import { createHttpHandler, type HttpHandler } from "../../../server/http/http-handler.ts";
import { type HttpListener, listenHttp } from "../../../server/http/http-listener.ts";
import { serverStatus, type ServerStatus } from "../../../server/http/server-status.ts";
import { JournalTally } from "../../../journal/journal-tally.ts";
import { createLogger } from "../../../server/host/logger.ts";
import { METRICS_CONNECTIONS_MAX } from "../../../server/limits.ts";
import { FakeHealth } from "../../sim/fake-health.ts";
import { LogLines } from "../../sim/log-lines.ts";
import { newEngine } from "../../support/engines.ts";
import { ManualClock } from "../../sim/manual-clock.ts";

interface Reply {
  readonly status: number;
  readonly body: string;
  readonly headers: Record<string, string>;
}

const door = { refuse: () => undefined, fail: () => undefined };

let health: FakeHealth;
let clock: ManualClock;
let checks: HealthChecks;
let handler: HttpHandler;
let listener: HttpListener;
let url: string;
let log: LogLines;
let metricsText: () => Promise<string>;
let status: () => ServerStatus;
let engine: Engine;

beforeEach(async () => {
  health = new FakeHealth();
  clock = new ManualClock();
  log = new LogLines();
  const logger = createLogger({ level: "info", format: "json" }, log);
  checks = new HealthChecks(health, clock, logger);
  metricsText = () => Promise.resolve("# metrics\n");
  engine = newEngine();
  status = () =>
    serverStatus({
      engine,
      name: "amsterdam",
      identity: () => ({ clusterId: 0xabn, memberId: 0xcdn }),
      backups: null,
      journalStatus: () => new JournalTally({ zones: [{ zone: "a", place: "/a" }] }).status(),
      snapshotZones: () => [],
      wallMs: () => 7,
    });
  handler = createHttpHandler({
    checks,
    metrics: () => metricsText(),
    status: () => status(),
    logger,
    clock,
  });
  listener = await listenHttp({ host: "127.0.0.1", port: 0 }, handler, door);
  url = urlOf(listener);
});

afterEach(() => listener.close());

function urlOf({ address }: HttpListener): string {
  return typeof address === "string" ? address : `http://127.0.0.1:${address.port}`;
}

async function ask(target: string, method = "GET"): Promise<Reply> {
  const response = await fetch(`${url}${target}`, { method });
  return { status: response.status, body: await response.text(), headers: Object.fromEntries(response.headers) };
}

test("/plinth/status tells who this is and how the zones are, also before there is a reign", async () => {
  const { status: code, body, headers } = await ask("/plinth/status?x=y");
  expect([code, headers["content-type"]]).toEqual([200, "application/json"]);
  expect(JSON.parse(body)).toMatchObject({
    clusterId: "ab",
    memberId: "cd",
    name: "amsterdam",
    role: "starting",
    start: { share: 0, text: "opening the journal" },
    trouble: null,
    revision: 1,
    applied: 0,
    journal: { role: "none", epoch: 0, committed: 0, replicas: [{ zone: "a", state: "closed" }] },
    warnings: [],
    nowMs: 7,
  });
  engine.start.standBy(() => "amsterdam at a");
  expect(JSON.parse((await ask("/plinth/status")).body)).toMatchObject({
    role: "standby",
    start: { text: expect.stringContaining("amsterdam at a") },
  });
  expect((await ask("/plinth/status", "POST")).headers["allow"]).toBe("GET");
});

describe("/health", () => {
  test("a healthy server says so", async () => {
    expect(await ask("/health")).toMatchObject({ status: 200, body: '{"health":"true","reason":""}' });
  });

  test("an alarm makes it unhealthy unless it is excluded", async () => {
    health.activeAlarms = ["NOSPACE"];
    expect(await ask("/health")).toMatchObject({
      status: 503,
      body: '{"health":"false","reason":"ALARM NOSPACE"}\n',
    });
    expect((await ask("/health?exclude=NOSPACE")).status).toBe(200);
    health.activeAlarms = ["NOSPACE", "CORRUPT"];
    expect((await ask("/health?exclude=NOSPACE")).body).toContain("ALARM CORRUPT");
    expect((await ask("/health?exclude=NOSPACE&exclude=CORRUPT")).status).toBe(200);
  });

  test("without a leader only a serializable check succeeds", async () => {
    health.leader = false;
    expect(await ask("/health")).toMatchObject({
      status: 503,
      body: '{"health":"false","reason":"RAFT NO LEADER"}\n',
    });
    expect((await ask("/health?serializable=false")).status).toBe(503);
    expect((await ask("/health?serializable=true")).status).toBe(200);
  });

  test("a journal that cannot be written says why, in place of the leader that is missing", async () => {
    health.leader = false;
    health.journalTrouble = "JOURNAL FAILED: ENOSPC: no space left on device";
    expect(await ask("/health")).toMatchObject({
      status: 503,
      body: '{"health":"false","reason":"JOURNAL FAILED: ENOSPC: no space left on device"}\n',
    });
    expect((await ask("/health?serializable=true")).status).toBe(200);
  });

  test("a read that fails is the reason", async () => {
    health.linearizable = Promise.resolve("etcdserver: request timed out");
    expect(await ask("/health")).toMatchObject({
      status: 503,
      body: '{"health":"false","reason":"RANGE ERROR:etcdserver: request timed out"}\n',
    });
    expect((await ask("/health?serializable=true")).status).toBe(200);
  });

  test("a read that does not end fails after seven seconds", async () => {
    health.linearizable = new Promise(() => undefined);
    const asked = checks.health(false, new Set());
    await clock.advance(6999);
    expect(clock.pending).toBe(1);
    await clock.advance(1);
    expect(await asked).toEqual({ healthy: false, reason: "RANGE ERROR:context deadline exceeded" });
  });

  test("a read that ends leaves no timer behind", async () => {
    await checks.health(false, new Set());
    await clock.advance(0);
    expect(clock.pending).toBe(0);
  });
});

describe("/livez and /readyz", () => {
  test("they answer ok, with details when asked", async () => {
    expect(await ask("/livez")).toMatchObject({ status: 200, body: "ok\n" });
    expect((await ask("/livez?verbose")).body).toBe("[+]serializable_read ok\nok\n");
    expect((await ask("/readyz?verbose")).body).toBe(
      "[+]data_corruption ok\n[+]serializable_read ok\n[+]linearizable_read ok\n[+]non_learner ok\nok\n",
    );
  });

  test("a failed check is a 503 with the details", async () => {
    health.linearizable = Promise.resolve("etcdserver: request timed out");
    health.activeAlarms = ["NOSPACE", "CORRUPT"];
    expect(await ask("/readyz")).toMatchObject({
      status: 503,
      body:
        "[-]data_corruption failed: alarm activated: CORRUPT\n[+]serializable_read ok\n" +
        "[-]linearizable_read failed: etcdserver: request timed out\n[+]non_learner ok\n\n",
    });
    expect((await ask("/livez")).status).toBe(200);
  });

  test("checks can be excluded and asked for one by one", async () => {
    health.linearizable = Promise.resolve("no");
    expect((await ask("/readyz?exclude=linearizable_read&exclude=unheard_of")).status).toBe(200);
    expect((await ask("/readyz/linearizable_read")).status).toBe(503);
    expect(await ask("/readyz/serializable_read?verbose")).toMatchObject({
      status: 200,
      body: "[+]serializable_read ok\nok\n",
    });
    expect((await ask("/livez/linearizable_read")).status).toBe(404);
    expect((await ask("/readyz/unheard_of")).status).toBe(404);
  });

  test("every outcome is counted, and only a change is logged", async () => {
    await ask("/readyz/linearizable_read");
    health.linearizable = Promise.resolve("no");
    await ask("/readyz/linearizable_read");
    await ask("/readyz/linearizable_read");
    health.linearizable = Promise.resolve(null);
    await ask("/readyz/linearizable_read");
    const counts = [...checks.counts()].find(({ type, name }) => type === "readyz" && name === "linearizable_read");
    expect(counts).toMatchObject({ succeeded: 2, failed: 2, lastSucceeded: true });
    expect(log.records.map(({ level, msg }) => `${String(level)}: ${String(msg)}`)).toEqual([
      "warn: health check failed",
      "info: health check succeeds again",
    ]);
    expect(log.records[0]).toMatchObject({ type: "readyz", check: "linearizable_read", error: "no" });
  });
});

describe("other paths and methods", () => {
  test("/version names three versions", async () => {
    const reply = await ask("/version");
    expect(reply.headers["content-type"]).toBe("application/json");
    expect(reply.body).toMatch(/^\{"etcdserver":"3\.7\.\d+","etcdcluster":"3\.7\.0","storage":"3\.7\.0"\}$/);
  });

  test("/metrics is the registry's text with its content type", async () => {
    expect(await ask("/metrics")).toMatchObject({
      status: 200,
      body: "# metrics\n",
      headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
    });
    expect(await ask("/metrics", "HEAD")).toMatchObject({ status: 200, body: "", headers: { "content-length": "10" } });
    expect(await ask("/metrics", "POST")).toMatchObject({ status: 405, headers: { allow: "GET, HEAD" } });
  });

  test("a failure inside is a 500 and one line in the log", async () => {
    metricsText = () => Promise.reject(new Error("no numbers"));
    expect(await ask("/metrics")).toMatchObject({ status: 500, body: "Internal Server Error\n" });
    expect(log.lines).toHaveLength(1);
    expect(log.records[0]).toMatchObject({ level: "error", path: "/metrics", error: "no numbers" });
    metricsText = () => Promise.resolve("numbers\n");
    expect((await ask("/metrics")).body).toBe("numbers\n");
  });

  test.each(["/", "/nope", "/health/", "/livez/", "/readyz//", "//health", "/metrics/x", "/v3/kv/range"])(
    "%s is not found",
    async (target) => {
      expect(await ask(target)).toMatchObject({ status: 404, body: "404 page not found\n" });
    },
  );

  test.each(["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])("%s is not allowed", async (method) => {
    expect(await ask("/health", method)).toMatchObject({
      status: 405,
      body: "Method Not Allowed\n",
      headers: { allow: "GET" },
    });
    expect((await ask("/nope", method)).status).toBe(404);
  });

  test("a body is never waited for: the answer comes at once and ends the connection", async () => {
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    socket.write("POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\nonly the beginning");
    const text = await readAll(socket);
    expect(text).toMatch(/^HTTP\/1\.1 405 Method Not Allowed\r\n/);
    expect(text).toMatch(/\r\nConnection: close\r\n/);
  });

  test("a connection serves one request after another", async () => {
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    socket.write("GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /nope HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    expect((await readAll(socket)).match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 404"]);
  });
});

describe("a listener of its own", () => {
  test("a Unix socket left by a dead server is taken over, a live one is not", async () => {
    const directory = await mkdtemp(path.join(tmpdir(), "plinth-http-"));
    onTestFinished(() => rm(directory, { recursive: true }));
    const socketPath = path.join(directory, "http.sock");
    await leaveStaleSocket(socketPath);

    const first = await listenHttp({ path: socketPath }, handler, door);
    expect(await askSocket(socketPath, "/livez")).toContain("200 OK");
    await expect(listenHttp({ path: socketPath }, handler, door)).rejects.toMatchObject({ code: "EADDRINUSE" });
    expect(await askSocket(socketPath, "/livez")).toContain("200 OK");
    await first.close();
  });

  test("a file in the socket's place is left alone", async () => {
    const directory = await mkdtemp(path.join(tmpdir(), "plinth-http-"));
    onTestFinished(() => rm(directory, { recursive: true }));
    const file = path.join(directory, "precious");
    await writeFile(file, "data");
    await expect(listenHttp({ path: file }, handler, door)).rejects.toMatchObject({ code: "EADDRINUSE" });
    expect((await stat(file)).size).toBe(4);
  });

  test("connections beyond its limit are closed at once, and told of", async () => {
    const refused: number[] = [];
    const other = await listenHttp({ host: "127.0.0.1", port: 0 }, handler, {
      ...door,
      refuse: (max) => refused.push(max),
    });
    const port = Number(new URL(urlOf(other)).port);
    const sockets: Socket[] = [];
    for (let i = 0; i < METRICS_CONNECTIONS_MAX + 1; i++) {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => undefined);
      socket.resume();
      sockets.push(socket);
      await once(socket, "connect");
    }
    await once(sockets[METRICS_CONNECTIONS_MAX], "close");
    expect(refused).toEqual([METRICS_CONNECTIONS_MAX]);
    expect(sockets.filter(({ closed }) => closed)).toHaveLength(1);
    await other.close();
  });

  test("goes on when a connection cannot be accepted, and tells of it", async () => {
    const told: Error[] = [];
    const other = await listenHttp({ host: "127.0.0.1", port: 0 }, handler, { ...door, fail: (e) => told.push(e) });
    let server: EventEmitter | null = null;
    const onSocket = (message: unknown): void =>
      void ({ server } = (message as { socket: { server: EventEmitter } }).socket);
    diagnosticsChannel.subscribe("net.server.socket", onSocket);
    onTestFinished(() => void diagnosticsChannel.unsubscribe("net.server.socket", onSocket));
    expect((await fetch(`${urlOf(other)}/livez`)).status).toBe(200);
    const error = Object.assign(new Error("accept ENFILE"), { code: "ENFILE" });
    // As Node does.
    expect((server as EventEmitter | null)?.emit("error", error)).toBe(true);
    expect(told).toEqual([error]);
    expect((await fetch(`${urlOf(other)}/livez`)).status).toBe(200);
    await other.close();
  });

  test("closing ends open connections", async () => {
    const other = await listenHttp({ host: "127.0.0.1", port: 0 }, handler, door);
    const socket = connect(Number(new URL(urlOf(other)).port), "127.0.0.1");
    await once(socket, "connect");
    socket.resume();
    await other.close();
    await once(socket, "close");
  });
});

/** Leaves a socket file that nobody listens on, as a killed process does. */
async function leaveStaleSocket(socketPath: string): Promise<void> {
  const live = `${socketPath}.live`;
  const server = createServer().listen(live);
  await once(server, "listening");
  // Closing removes the name it was bound to, and leaves the socket under any other.
  await rename(live, socketPath);
  server.close();
  await once(server, "close");
  expect((await stat(socketPath)).isSocket()).toBe(true);
}

async function askSocket(socketPath: string, target: string): Promise<string> {
  const socket = connect(socketPath);
  socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  return readAll(socket);
}

async function readAll(socket: Socket): Promise<string> {
  let text = "";
  for await (const chunk of socket) {
    text += String(chunk);
  }
  return text;
}
