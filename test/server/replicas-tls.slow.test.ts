/** Replicas and servers that know one another by certificates. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePort } from "../../bench/peers/peer-process.ts";
import { putRequest, rangeRequest } from "../../bench/client/requests.ts";
import { Authority, opensslMissing } from "../journal/quorum/certificates.ts";
import type { CertificateFiles } from "../support/certificate-files.ts";
import { issueFiles, replicaFlags, serverFlags } from "../support/certificate-files.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import { PlinthProcess } from "../support/plinth-process.ts";
import { makeReplica, untilSaid, ZONES } from "../support/replicas.ts";

let folder: string;
let replicas: PlinthProcess[] = [];
let list: string;
const running: PlinthProcess[] = [];

async function newServer(name: string, files: CertificateFiles): Promise<PlinthProcess> {
  const flags = [`--journal-replicas=${list}`, ...serverFlags(files)];
  const server = new PlinthProcess(await freePort(), path.join(folder, name), null, { flags });
  running.push(server);
  return server;
}

beforeAll(async () => {
  if (opensslMissing) return;
  folder = await mkdtemp(path.join(tmpdir(), "plinth-tls-"));
});

afterAll(async () => {
  await Promise.all([...running, ...replicas].map((each) => each.remove()));
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
});

test.skipIf(opensslMissing)(
  "a server is served that the authority has certified, another is refused by name",
  async () => {
    const authority = new Authority();
    const stranger = new Authority();
    try {
      for (const zone of ZONES) {
        const tls = replicaFlags(issueFiles(folder, authority, `replica-${zone}`));
        replicas.push(await makeReplica(zone, path.join(folder, zone), "tls", tls));
      }
      await Promise.all(replicas.map((each) => each.start()));
      list = ZONES.map((zone, i) => `${zone}=tls://127.0.0.1:${replicas[i].port}`).join(",");
      const server = await newServer("server", issueFiles(folder, authority, "server"));
      await server.start();
      const client = await EtcdClient.connect(server.url);
      await client.put(putRequest("k", "v"));
      expect((await client.range(rangeRequest("k"))).kvs).toHaveLength(1);
      client.lean.destroy();

      const other = await newServer("other", issueFiles(folder, stranger, "other"));
      const starting = other.start().catch(() => "ended");
      await untilSaid(replicas[0], "refused a connection");
      await untilSaid(other, "the journal cannot be opened for now");
      await other.remove();
      expect(await starting).toBe("ended");
      // It has harmed nothing.
      const again = await EtcdClient.connect(server.url);
      await again.put(putRequest("k", "v2"));
      again.lean.destroy();
    } finally {
      authority.remove();
      stranger.remove();
    }
  },
);

test.skipIf(opensslMissing)("a file that is not there is named", async () => {
  list = "a=tls://127.0.0.1:1,b=tls://127.0.0.1:2,c=tls://127.0.0.1:3";
  const server = await newServer("lacking", {
    cert: "/nowhere/cert.pem",
    key: "/nowhere/key.pem",
    ca: "/nowhere/ca.pem",
  });
  await expect(server.start()).rejects.toThrow(/exit code 1[^]*ENOENT[^]*\/nowhere\//);
});
