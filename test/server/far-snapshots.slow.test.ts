/** Snapshots in zones whose replicas are other processes: what a server on a fresh machine starts from. */
import { mkdir, mkdtemp, open, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import { describe, expect, test, vi } from "vitest";
import { prefixEnd, putRequest, rangeRequest } from "../../bench/client/requests.ts";
import { Authority, opensslMissing } from "../journal/quorum/certificates.ts";
import { issueFiles, replicaFlags, serverFlags } from "../support/certificate-files.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import type { PlinthProcess } from "../support/plinth-process.ts";
import { Replicas, untilSaid } from "../support/replicas.ts";

/** Each of the tests waits for elections, and for others that do; each has replicas of its own. */
const OPTIONS = { concurrent: true, timeout: 300_000 };

async function withClient<T>({ url }: PlinthProcess, use: (client: EtcdClient) => Promise<T>): Promise<T> {
  const client = await EtcdClient.connect(url);
  try {
    return await use(client);
  } finally {
    client.lean.destroy();
  }
}

async function putMany(server: PlinthProcess, prefix: string, count: number, bytes = 2_000): Promise<void> {
  const value = Buffer.alloc(bytes, 0x76);
  await withClient(server, async (client) => {
    for (let i = 0; i < count; i += 50)
      await Promise.all(Array.from({ length: 50 }, (_, j) => client.put(putRequest(`${prefix}${i + j}`, value))));
  });
}

/** Hash of what is there, and how much; the same before and after a start. */
async function contents(server: PlinthProcess): Promise<object> {
  return withClient(server, async (client) => {
    const { hash, header } = await client.hashKv(0);
    const { count } = await client.range(rangeRequest("a", { rangeEnd: prefixEnd("z"), countOnly: true }));
    return { hash, revision: header?.revision, count };
  });
}

interface Taken {
  readonly position: number;
}

async function takeSnapshot({ url }: PlinthProcess): Promise<number> {
  const answer = await fetch(`${url}/plinth/snapshot`, { method: "POST" });
  expect(answer.status).toBe(200);
  return ((await answer.json()) as Taken).position;
}

interface Status {
  readonly snapshots: { readonly zones: readonly { readonly position: number | null }[] };
  readonly warnings: readonly string[];
}

async function status({ url }: PlinthProcess): Promise<Status> {
  return (await (await fetch(`${url}/plinth/status`)).json()) as Status;
}

/** Of the newest in each zone, as the server tells. */
async function toldPositions(server: PlinthProcess): Promise<(number | null)[]> {
  return (await status(server)).snapshots.zones.map(({ position }) => position);
}

const directory = ({ dataDir }: PlinthProcess): string => path.join(dataDir, "snapshots");

/** Positions of the snapshots beside a replica, the oldest first. */
async function positions(replica: PlinthProcess): Promise<number[]> {
  const names = await readdir(directory(replica)).catch(() => []);
  const marks = names.filter((name) => name.endsWith(".mark")).toSorted();
  return marks.map((name) => Number.parseInt(name, 16));
}

async function segments({ dataDir }: PlinthProcess): Promise<number> {
  return (await readdir(dataDir)).filter((name) => name.endsWith(".seg")).length;
}

function until(isSo: () => Promise<boolean>, interval = 50): Promise<boolean> {
  return vi.waitUntil(isSo, { timeout: 120_000, interval });
}

async function untilIn(replicas: readonly PlinthProcess[], position: number): Promise<void> {
  for (const replica of replicas) await until(async () => (await positions(replica)).at(-1) === position);
}

/** What the last start has told of what it read. */
function replayed(server: PlinthProcess): { records: number; snapshot: number } {
  const line = server.logLines.filter((each) => each.includes('"replayed the journal"')).at(-1);
  return JSON.parse(line ?? "{}") as { records: number; snapshot: number };
}

const hex = (position: number): string => position.toString(16).padStart(16, "0");

/** Turns a bit in the midst of a snapshot that lies beside a replica. */
async function damage(replica: PlinthProcess, position: number): Promise<void> {
  const file = path.join(directory(replica), `${hex(position)}.lmdb`);
  const handle = await open(file, "r+");
  try {
    const at = Math.floor((await handle.stat()).size / 2);
    const byte = Buffer.alloc(1);
    await handle.read(byte, 0, 1, at);
    byte[0] ^= 0x10;
    await handle.write(byte, 0, 1, at);
  } finally {
    await handle.close();
  }
}

describe("snapshots in zones whose replicas are other processes", OPTIONS, () => {
  test("are where a server on a fresh machine starts, when the journal is trimmed behind them", async () => {
    await using replicas = await Replicas.start({ smallSegments: true });
    const first = await replicas.server("first");
    await first.start();
    let position = 0;
    for (let n = 0; n < 4; n++) {
      await putMany(first, `key${n}-`, 500);
      position = await takeSnapshot(first);
      await untilIn(replicas.processes, position);
    }
    // A megabyte of records is in each round, and what is needed begins with the third.
    for (const each of replicas.processes) {
      await until(async () => (await segments(each)) < 12);
      await until(async () => isDeepStrictEqual(await positions(each), [1_500, 2_000]));
    }
    await putMany(first, "later", 50);
    const before = await contents(first);
    await first.kill();
    await rm(first.dataDir, { recursive: true });
    const other = await replicas.server("other");
    await other.start();
    expect(await contents(other)).toEqual(before);
    expect(replayed(other)).toMatchObject({ snapshot: position, records: 50 });
    await other.kill();
    // What one zone has is rotten, and another zone does not answer.
    await damage(replicas.processes[0], position);
    await replicas.processes[1].kill();
    const third = await replicas.server("third");
    await third.start();
    expect(await contents(third)).toEqual(before);
    expect(replayed(third)).toMatchObject({ snapshot: position, records: 50 });
    // It gives them what it takes, and all have it.
    await replicas.processes[1].start();
    await putMany(third, "last", 50);
    await untilIn(replicas.processes, await takeSnapshot(third));
  });

  test("are given to a zone that has lost its disk, and a standby starts from them", async () => {
    await using replicas = await Replicas.start({ smallSegments: true });
    const first = await replicas.server("first");
    await first.start();
    let position = 0;
    for (let n = 0; n < 4; n++) {
      await putMany(first, `key${n}-`, 500);
      position = await takeSnapshot(first);
      await untilIn(replicas.processes, position);
    }
    await until(async () => (await segments(replicas.processes[2])) < 12);
    await replicas.processes[2].kill();
    await rm(replicas.processes[2].dataDir, { recursive: true });
    await replicas.processes[2].start();
    // It begins behind the snapshot that it is given.
    await untilIn([replicas.processes[2]], position);
    await untilSaid(first, "gave a snapshot to a zone");
    const before = await contents(first);
    const second = await replicas.standby("second");
    await second.start();
    await untilSaid(second, "took a snapshot from another zone");
    await first.kill();
    await untilSaid(second, "ready to serve client requests");
    expect(await contents(second)).toEqual(before);
    expect(replayed(second).snapshot).toBe(position);
  });

  test("are begun anew where a replica is killed in the midst of one, and nothing half is kept", async () => {
    await using replicas = await Replicas.start();
    const [killed, ...others] = replicas.processes;
    const first = await replicas.server("first");
    await first.start();
    // Random, so that it is as long as it looks.
    const value = Buffer.alloc(200_000);
    for (let i = 0; i < value.length; i++) value[i] = (i * 2_654_435_761) >>> ((i % 3) * 8);
    await withClient(first, async (client) => {
      for (let i = 0; i < 150; i++) {
        value.writeUInt32LE(i * 7_919, i * 4);
        await client.put(putRequest(`big${i}`, value));
      }
    });
    const taking = takeSnapshot(first);
    const isBegun = async (): Promise<boolean> =>
      (await readdir(directory(killed)).catch(() => [])).some((name) => name.endsWith(".lmdb.tmp"));
    await until(isBegun, 1);
    await killed.kill();
    expect(await positions(killed)).toEqual([]);
    const position = await taking;
    await untilIn(others, position);
    await untilSaid(first, "a snapshot could not be given to a zone");
    await until(async () => isDeepStrictEqual(await toldPositions(first), [null, position, position]));
    const { warnings } = await status(first);
    expect(warnings.join()).toContain("zone a was not given the newest snapshot: zone a: tcp://127.0.0.1:");
    await killed.start();
    await untilIn([killed], position);
    expect((await readdir(directory(killed))).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  test.skipIf(opensslMissing)("go over mutual TLS, and to a zone of the server that is made anew", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "plinth-far-"));
    const authority = new Authority();
    const flagsOf = (zone: string): string[] => replicaFlags(issueFiles(folder, authority, `replica-${zone}`));
    try {
      await using replicas = await Replicas.start({ smallSegments: true, isSecure: true, flagsOf });
      // The server has zone a itself.
      await replicas.processes[0].stop();
      const near = path.join(folder, "near");
      replicas.list = replicas.list.replace(/^a=[^,]*/, `a=${near}`);
      const far = replicas.processes.slice(1);
      const flags = serverFlags(issueFiles(folder, authority, "server"));
      const first = await replicas.server("first", flags);
      await mkdir(near);
      await first.start();
      let position = 0;
      for (let n = 0; n < 4; n++) {
        await putMany(first, `key${n}-`, 500);
        position = await takeSnapshot(first);
        await untilIn(far, position);
      }
      for (const each of far) await until(async () => (await segments(each)) < 12);
      const before = await contents(first);
      await first.kill();
      await rm(first.dataDir, { recursive: true });
      await rm(near, { recursive: true });
      await mkdir(near);
      const second = await replicas.server("second", flags);
      await second.start();
      expect(await contents(second)).toEqual(before);
      expect(replayed(second)).toMatchObject({ snapshot: position });
      expect(await readdir(path.join(near, "snapshots"))).toContain(`${hex(position)}.mark`);
      // A disk that is not there is no reason for having none.
      await second.kill();
      await rm(second.dataDir, { recursive: true });
      await rm(near, { recursive: true });
      const third = await replicas.server("third", flags);
      await third.start();
      expect(await contents(third)).toEqual(before);
      expect(replayed(third)).toMatchObject({ snapshot: position });
    } finally {
      authority.remove();
      await rm(folder, { recursive: true, force: true });
    }
  });
});
