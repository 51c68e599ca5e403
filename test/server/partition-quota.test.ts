/** The quota of a partition as clients and operators meet it, through the socket. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { putRequest } from "../../bench/client/requests.ts";
import { freePort } from "../../bench/peers/peer-process.ts";
import { RESOURCE_EXHAUSTED } from "../../proto/grpc-codes.ts";
import { ALARM_ACTION_DEACTIVATE, ALARM_ACTION_GET, ALARM_NONE, ALARM_NOSPACE } from "../../proto/rare.ts";
import { parseConfig } from "../../server/config/config.ts";
import { createLogger } from "../../server/host/logger.ts";
import { Plinth } from "../../server/plinth.ts";
import { LogLines } from "../sim/log-lines.ts";
import { EtcdClient } from "../support/etcd-client.ts";

const EVENTS = "/registry/events/";
const VALUE = "x".repeat(10_000);

test("a partition at its quota refuses its clients with etcd's words, shows as an alarm, and leaves the others and health alone", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "plinth-quota-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const map = path.join(folder, "map.json");
  await writeFile(map, JSON.stringify({ partitions: [{ prefix: EVENTS, quota: "128KiB" }] }));
  const url = `http://127.0.0.1:${await freePort()}`;
  const flags = [`--data-dir=${folder}/data`, `--listen-client-urls=${url}`, `--partition-map=${map}`];
  const parsed = parseConfig(flags, {});
  if (parsed.kind !== "config") throw new Error("the test gives a command line that is right");
  const logger = createLogger({ level: "fatal", format: "json" }, new LogLines());
  const plinth = await Plinth.start(parsed.config, logger);
  onTestFinished(() => plinth.stop());
  const client = await EtcdClient.connect(url);
  onTestFinished(() => client.close());

  const fill = async (): Promise<unknown> => {
    for (let i = 0; i < 100; i++) {
      const failure = await client.put(putRequest(`${EVENTS}${i}`, VALUE)).then(
        () => null,
        (error: unknown) => error,
      );
      if (failure !== null) return failure;
    }
    return null;
  };
  const noSpace = { code: RESOURCE_EXHAUSTED, message: "etcdserver: mvcc: database space exceeded" };
  // The quota holds from the beginning of the reign on, by a record of it.
  expect(await fill()).toMatchObject(noSpace);
  await client.put(putRequest("/registry/pods/a", VALUE));

  const list = { action: ALARM_ACTION_GET, memberID: 0n, alarm: ALARM_NONE };
  const { alarms } = await client.alarm(list);
  expect(alarms.map(({ alarm }) => alarm)).toEqual([ALARM_NOSPACE]);
  expect(await (await fetch(`${url}/health`)).json()).toMatchObject({ health: "true" });
  const { memberID } = alarms[0];
  const disarmed = await client.alarm({ action: ALARM_ACTION_DEACTIVATE, memberID, alarm: ALARM_NOSPACE });
  expect(disarmed.alarms).toEqual(alarms);
  expect((await client.alarm(list)).alarms).toEqual([]);
  expect(await fill()).toMatchObject(noSpace);
});
