/** A server whose journal is long: it can be asked before it can serve. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { freePort } from "../../bench/peers/peer-process.ts";
import * as rare from "../../proto/rare.ts";
import { EtcdClient, MessageStream } from "../support/etcd-client.ts";
import { fillJournal } from "../support/fill-journal.ts";
import { putRequest } from "../../bench/client/requests.ts";

const mainFile = path.join(import.meta.dirname, "..", "..", "server", "main.ts");
const RECORDS = 200_000;
const UNAVAILABLE = 14;

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "plinth-starting-"));
  await fillJournal(path.join(folder, "full"), RECORDS);
  return () => rm(folder, { recursive: true, force: true });
});

interface Starting {
  readonly child: ChildProcess;
  readonly url: string;
  readonly lines: readonly string[];
  /** Waits until a line has this text. */
  until(text: string): Promise<void>;
}

/** Starts a server on a copy of the long journal. */
async function start(url?: string): Promise<Starting> {
  const dataDir = await mkdtemp(path.join(folder, "data-"));
  await cp(path.join(folder, "full"), dataDir, { recursive: true });
  const clientUrl = url ?? `http://127.0.0.1:${await freePort()}`;
  const flags = [`--data-dir=${dataDir}`, `--listen-client-urls=${clientUrl}`, "--log-level=info"];
  const child = spawn(process.execPath, [mainFile, ...flags], { stdio: ["ignore", "ignore", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines: string[] = [];
  createInterface({ input: child.stderr }).on("line", (line) => lines.push(line));
  const until = (text: string): Promise<void> => expect.poll(() => lines.join("\n"), { interval: 2 }).toContain(text);
  return { child, url: clientUrl, lines, until };
}

async function get(url: string): Promise<readonly [number, string]> {
  const response = await fetch(url);
  return [response.status, await response.text()];
}

test("while the journal is replayed it is live and not ready, and says how far it is", async () => {
  const { url, until, lines } = await start();
  await until("listening for client requests");
  expect(await get(`${url}/livez`)).toEqual([200, "ok\n"]);
  const [readyStatus, readyText] = await get(`${url}/readyz`);
  expect([readyStatus, readyText]).toEqual([503, expect.stringContaining("[-]linearizable_read failed: ")]);
  await expect
    .poll(() => get(`${url}/health`), { interval: 2 })
    .toEqual([503, expect.stringMatching(/replaying \d+ %/)]);
  const [statusCode, status] = await get(`${url}/plinth/status`);
  expect(statusCode).toBe(200);
  expect(JSON.parse(status)).toMatchObject({
    role: "starting",
    start: { text: expect.stringMatching(/replaying \d+ %/) },
    journal: { role: "writer", epoch: 2, replicas: [{ zone: "a", state: "up" }, { zone: "b" }, { zone: "c" }] },
  });
  const [, metrics] = await get(`${url}/metrics`);
  expect(Number(/^plinth_start_progress_ratio (.*)$/m.exec(metrics)?.[1])).toBeLessThan(1);
  let answers = 0;
  while (!lines.at(-1)?.includes("ready to serve client requests")) {
    expect((await get(`${url}/livez`))[0]).toBe(200);
    answers++;
  }
  // Not one answer after the other waits for the end of the replay.
  expect(answers).toBeGreaterThan(10);
  expect(await get(`${url}/readyz`)).toEqual([200, "ok\n"]);
  expect(await get(`${url}/health`)).toEqual([200, '{"health":"true","reason":""}']);
  // One text serves all who ask within a second, and this may be the one of before.
  await expect.poll(async () => (await get(`${url}/metrics`))[1]).toMatch(/^plinth_start_progress_ratio 1$/m);
});

test("calls are refused as Unavailable until it is over, and then served on the same connection", async () => {
  const { url, until } = await start();
  await until("listening for client requests");
  const client = await EtcdClient.connect(url);
  const { encode } = rare.healthCheckRequest;
  const health = new MessageStream(
    client.lean,
    "/grpc.health.v1.Health/Watch",
    encode,
    rare.healthCheckResponse.decode,
  );
  health.send({ service: "" });
  health.stream.halfClose();
  expect((await health.next()).status).toBe(rare.HEALTH_NOT_SERVING);
  const refused = { code: UNAVAILABLE, message: expect.stringMatching(/^etcdserver: the server is starting: /) };
  await expect(client.put(putRequest("a", "1"))).rejects.toMatchObject(refused);
  await expect(client.status()).rejects.toMatchObject(refused);
  expect((await health.next()).status).toBe(rare.HEALTH_SERVING);
  const { header } = await client.put(putRequest("a", "1"));
  expect(header?.revision).toBe(RECORDS + 2);
  health.stream.cancel();
  await client.close();
});

test("an address that is taken ends the start before the journal is replayed", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  onTestFinished(() => void taken.close());
  const { child, lines } = await start(`http://127.0.0.1:${(taken.address() as AddressInfo).port}`);
  await once(child, "close");
  expect(child.exitCode).toBe(1);
  expect(lines.at(-1)).toContain("EADDRINUSE");
  expect(lines.join("\n")).not.toContain("replayed");
});

test("a signal ends a replay, with exit code 0", async () => {
  const { child, lines, until } = await start();
  await until("listening for client requests");
  child.kill("SIGTERM");
  await once(child, "close");
  expect(child.exitCode).toBe(0);
  expect(lines.at(-1)).toContain("received signal while starting");
  expect(lines.join("\n")).not.toContain("replayed");
});
