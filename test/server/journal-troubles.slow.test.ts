/** The real process on a disk whose trouble passes, and on one whose trouble does not. */
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { putRequest, rangeRequest } from "../../bench/client/requests.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import type { PlinthProcess } from "../support/plinth-process.ts";
import { startPlinth } from "../support/plinth-process.ts";

const mainFile = path.join(import.meta.dirname, "..", "support", "failing-disk-main.ts");

async function start(): Promise<{ plinth: PlinthProcess; client: EtcdClient; fault: string }> {
  const plinth = await startPlinth({ mainFile });
  const fault = `${plinth.dataDir}.fault`;
  onTestFinished(async () => {
    await rm(fault, { force: true });
    await plinth.remove();
  });
  const client = await EtcdClient.connect(plinth.url);
  await client.put(putRequest("before", "1"));
  return { plinth, client, fault };
}

test("an error that no reopening repairs ends the process with a line and an exit code, and the next one serves", async () => {
  const { plinth, client, fault } = await start();
  await writeFile(fault, "EIO");
  await expect(client.put(putRequest("lost"))).rejects.toBeInstanceOf(Error);
  expect(await plinth.untilEnded()).toBe("exit code 74");
  const line = JSON.parse(plinth.logLines.at(-1) ?? "") as Record<string, unknown>;
  expect(line).toMatchObject({
    level: "fatal",
    error: expect.stringMatching(/\.seg: writing \d+ bytes at offset \d+ failed: EIO/),
    msg: "the journal cannot be written any more; the server ends",
  });
  expect(line).not.toHaveProperty("stacktrace");
  await rm(fault);
  await plinth.start();
  const again = await EtcdClient.connect(plinth.url);
  expect((await again.range(rangeRequest("before"))).count).toBe(1);
  await again.put(putRequest("after"));
  await again.close();
});

test("a journal whose directory is gone ends the process, though nothing has failed", async () => {
  const { plinth, client } = await start();
  await rename(path.join(plinth.dataDir, "journal"), `${plinth.dataDir}.journal`);
  expect(await plinth.untilEnded()).toBe("exit code 74");
  expect(plinth.logLines.at(-1)).toMatch(/zone-[abc] is gone: ENOENT/);
  await client.close();
});

test.each(["ENOSPC", "EDQUOT"])(
  "an %s that passes ends nothing: writes wait, and go on in the same process",
  async (code) => {
    const { plinth, client, fault } = await start();
    await writeFile(fault, code);
    const waiting = client.put(putRequest("waiting")).catch((error: unknown) => error);
    const health = async (): Promise<unknown> => (await fetch(`${plinth.url}/health`)).json();
    await expect.poll(health).toMatchObject({ reason: expect.stringContaining(`JOURNAL STALLED: ${code}`) });
    expect(await (await fetch(`${plinth.url}/plinth/status`)).json()).toMatchObject({
      role: "writer",
      trouble: expect.stringContaining(`JOURNAL STALLED: ${code}`),
      journal: {
        epoch: 1,
        committed: 1,
        replicas: expect.arrayContaining([expect.objectContaining({ lastError: expect.stringContaining(code) })]),
      },
    });
    expect(await readFile(fault, "utf8")).toBe(code);
    expect((await client.range(rangeRequest("before"))).count).toBe(1);
    await rm(fault);
    // However long it had to wait.
    await waiting;
    await expect
      .poll(() =>
        client
          .put(putRequest("after"))
          .then(() => true)
          .catch(() => false),
      )
      .toBe(true);
    expect((await client.range(rangeRequest("before"))).count).toBe(1);
    await client.close();
    await plinth.stop();
    const texts = plinth.logLines.map((line) => (JSON.parse(line) as { msg: string }).msg);
    expect(texts.filter((text) => text.startsWith("the journal "))).toEqual([
      "the journal cannot write for now; writes wait, reads are served",
      "the journal writes again",
    ]);
  },
);

describe("a journal that finds no descriptor at a roll", () => {
  const VALUE = Buffer.alloc(1024 * 1024, 0x76);

  /** Fills the first segment but for a little, and lets writes wait for the second. */
  async function stall(): Promise<{
    plinth: PlinthProcess;
    client: EtcdClient;
    fault: string;
    waiting: Promise<unknown>[];
  }> {
    const { plinth, client } = await start();
    const fault = `${plinth.dataDir}.open-fault`;
    onTestFinished(() => rm(fault, { force: true }));
    for (let i = 0; i < 62; i++) await client.put(putRequest(`key-${i}`, VALUE));
    await writeFile(fault, "EMFILE");
    const waiting = [0, 1, 2, 3].map((i) =>
      client.put(putRequest(`waiting-${i}`, VALUE)).catch((error: unknown) => error),
    );
    const reason = async (): Promise<unknown> =>
      ((await (await fetch(`${plinth.url}/health`)).json()) as { reason: unknown }).reason;
    await expect.poll(reason).toBe("JOURNAL STALLED: EMFILE: injected");
    return { plinth, client, fault, waiting };
  }

  test("lets them wait, serves reads, and goes on when there is one", async () => {
    const { plinth, client, fault, waiting } = await stall();
    expect((await client.range(rangeRequest("key-0", { countOnly: true }))).count).toBe(1);
    expect((await fetch(`${plinth.url}/livez`)).status).toBe(200);
    expect((await client.status()).errors).toEqual(["etcdserver: no leader"]);
    expect(await (await fetch(`${plinth.url}/plinth/status`)).json()).toMatchObject({
      role: "writer",
      trouble: "JOURNAL STALLED: EMFILE: injected",
      journal: {
        replicas: expect.arrayContaining([
          expect.objectContaining({ state: "stalled", lastError: expect.stringContaining("EMFILE") }),
        ]),
      },
      warnings: expect.arrayContaining([expect.stringMatching(/^zone [abc] waits for its disk.*EMFILE/)]),
    });
    await rm(fault);
    await Promise.all(waiting);
    await client.put(putRequest("after"));
    expect(
      (await client.range(rangeRequest("waiting-", { rangeEnd: Buffer.from("waiting."), countOnly: true }))).count,
    ).toBe(4);
    expect((await client.status()).errors).toEqual([]);
    await client.close();
    await plinth.stop();
    const texts = plinth.logLines.map((line) => (JSON.parse(line) as { msg: string }).msg);
    expect(texts.filter((text) => /^the journal (?:cannot|writes|failed|was)/.test(text))).toEqual([
      "the journal cannot write for now; writes wait, reads are served",
      "the journal writes again",
    ]);
  }, 60_000);

  test("ends in order when it is told to, and tells those who wait", async () => {
    const { plinth, client, waiting } = await stall();
    await plinth.stop();
    const outcomes = await Promise.all(waiting);
    expect(outcomes.some((outcome) => outcome instanceof Error)).toBe(true);
    await client.close();
  }, 60_000);
});
