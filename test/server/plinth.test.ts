/** The server within another process: what it opens it gives back. */
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { parseConfig, type Config } from "../../server/config/config.ts";
import { createLogger } from "../../server/host/logger.ts";
import { Plinth } from "../../server/plinth.ts";
import { freePort } from "../../bench/peers/peer-process.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import { putRequest } from "../../bench/client/requests.ts";
import { LogLines } from "../sim/log-lines.ts";

const logger = createLogger({ level: "fatal", format: "json" }, new LogLines());

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "plinth-embedded-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
});

function configOf(...flags: string[]): Config {
  const parsed = parseConfig([`--data-dir=${path.join(folder, "data")}`, ...flags], {});
  if (parsed.kind !== "config") throw new Error("the test gives a command line that is right");
  return parsed.config;
}

async function expectToServe(config: Config, url: string): Promise<void> {
  const plinth = await Plinth.start(config, logger);
  const client = await EtcdClient.connect(url);
  await client.put(putRequest("a", "1"));
  await client.close();
  await plinth.stop();
}

test("a start that fails at an address gives everything back: another one works in the same process", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  onTestFinished(() => void taken.close());
  const takenUrl = `http://127.0.0.1:${(taken.address() as AddressInfo).port}`;
  const url = `http://127.0.0.1:${await freePort()}`;
  const metricsUrl = `http://127.0.0.1:${await freePort()}`;
  const failing = [
    configOf(`--listen-metrics-urls=${metricsUrl}`, `--listen-client-urls=${url},${takenUrl}`),
    configOf(`--listen-metrics-urls=${metricsUrl},${takenUrl}`, `--listen-client-urls=${url}`),
  ];
  for (const config of failing)
    await expect(Plinth.start(config, logger)).rejects.toMatchObject({ code: "EADDRINUSE" });
  await expectToServe(configOf(`--listen-metrics-urls=${metricsUrl}`, `--listen-client-urls=${url}`), url);
});

test("a start that fails at the journal gives the data directory back", async () => {
  const url = `http://127.0.0.1:${await freePort()}`;
  const config = configOf(`--listen-client-urls=${url}`);
  const identity = { format: 1, clusterId: "00000000000000ff", memberId: "fedcba9876543210" };
  await mkdir(config.dataDir);
  await writeFile(path.join(config.dataDir, "identity.json"), JSON.stringify(identity));
  await writeFile(path.join(config.dataDir, "journal"), "");
  await expect(Plinth.start(config, logger)).rejects.toMatchObject({ code: "ERR_JOURNAL_IO" });
  await rm(path.join(config.dataDir, "journal"));
  await expectToServe(config, url);
});

test("a first start that was killed at any moment before it noted the journal starts again, with the same identity", async () => {
  const url = `http://127.0.0.1:${await freePort()}`;
  const config = configOf(`--listen-client-urls=${url}`);
  const identityFile = path.join(config.dataDir, "identity.json");
  const journal = path.join(config.dataDir, "journal");
  const zones = ["zone-a", "zone-b", "zone-c"].map((name) => path.join(journal, name));
  const removeAll = (): Promise<unknown> => Promise.all(zones.map((zone) => rm(zone, { recursive: true })));
  await expectToServe(config, url);
  const { journalMade, ...identity } = JSON.parse(await readFile(identityFile, "utf8")) as Record<string, unknown>;
  expect(journalMade).toBe(true);
  const left: (() => Promise<unknown>)[] = [
    () => rm(journal, { recursive: true }),
    () => removeAll(),
    () => removeAll().then(() => Promise.all(zones.map((zone) => mkdir(zone)))),
    () => removeAll().then(() => mkdir(zones[0]).then(() => writeFile(path.join(zones[0], "MARK.tmp"), "half"))),
    () => writeFile(path.join(zones[1], "next-segment.tmp"), "half"),
    () => writeFile(`${identityFile}.tmp`, "half"),
  ];
  for (const leave of left) {
    await leave();
    await writeFile(identityFile, JSON.stringify(identity));
    await expectToServe(config, url);
    expect(JSON.parse(await readFile(identityFile, "utf8"))).toEqual({ ...identity, journalMade: true });
  }
});

test("a partition map that cannot be meant ends the start with its line, before anything is opened", async () => {
  const map = path.join(folder, "map.yaml");
  const url = `http://127.0.0.1:${await freePort()}`;
  const config = configOf(`--listen-client-urls=${url}`, `--partition-map=${map}`);
  await expect(Plinth.start(config, logger)).rejects.toMatchObject({ code: "ENOENT" });
  await writeFile(map, "partitions:\n  - prefix: /registry/\n  - prefix: /registry/pods/\n");
  await expect(Plinth.start(config, logger)).rejects.toThrow(`${map}, line 3: prefix "/registry/pods/" overlaps`);
  await writeFile(map, "partitions:\n  - prefix: /registry/\n");
  await expectToServe(config, url);
});
