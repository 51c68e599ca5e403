/** etcd's own tools find in a backup what the keyspace has. */
import { mkdtempSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { goMissingReason } from "../../../bench/peers/build.ts";
import { Keyspace } from "../../../partitions/keyspace.ts";
import { runPeer } from "../../support/peer-program.ts";
import { addUsers, backupBytes, withTrailer } from "./backup-bytes.ts";
import { RandomHistory } from "./random-history.ts";

const COMMAND_MILLISECONDS_MAX = 30_000;

describe.skipIf(goMissingReason() !== null)("etcdutl", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "plinth-backup-"));

  afterAll(() => rm(folder, { recursive: true, force: true }));

  test("finds a backup sound, with the revision and the HashKV of the keyspace", async () => {
    for (let seed = 100; seed < 112; seed++) {
      const keyspace = new Keyspace();
      addUsers(keyspace);
      const history = new RandomHistory(keyspace, seed);
      for (let i = 0; i < 30 * (seed - 98); i++) history.step();
      const file = backupBytes(keyspace, 500, 100_000);
      const name = path.join(folder, `${seed}.db`);
      await writeFile(name, withTrailer(file));
      const status = await run(["snapshot", "status", name]);
      expect(status, `seed ${seed}`).toMatchObject({
        revision: keyspace.revision,
        totalSize: file.length,
        version: "3.6.0",
      });
      // It wants the file without the trailer.
      await writeFile(name, file);
      expect(await run(["hashkv", name]), `seed ${seed}`).toMatchObject({
        hash: (keyspace.hash(0) as { hash: number }).hash,
        hashRevision: keyspace.revision,
        compactRevision: keyspace.compactRevision,
      });
    }
  }, 120_000);
});

async function run(args: readonly string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await runPeer("etcdutl", [...args, "-w", "json"], "", COMMAND_MILLISECONDS_MAX);
  if (code !== 0) throw new Error(stderr);
  // Its own output is believed.
  return JSON.parse(stdout) as Record<string, unknown>;
}
