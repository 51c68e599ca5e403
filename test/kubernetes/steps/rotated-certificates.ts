/** Objects are written and read all the time while the store's certificate is replaced again and again. */
import { readFileSync } from "node:fs";
import { connect } from "node:tls";
import { expect, vi } from "vitest";
import type { Cluster } from "../cluster.ts";

const NAMESPACE = "rotated";
const ROTATIONS = 10;
const WRITERS = 4;
const WRITES_BETWEEN = 5;
const WRITES_MILLISECONDS_MAX = 20_000;

export async function rotatedCertificates(cluster: Cluster): Promise<void> {
  const { store } = cluster;
  if (store.tls === undefined) return;
  await cluster.createNamespace(NAMESPACE);
  const configMaps = `/api/v1/namespaces/${NAMESPACE}/configmaps`;
  const load = { written: 0, isOver: false };
  // What fails is thrown, so it fails this.
  const write = async (): Promise<void> => {
    while (!load.isOver) {
      const name = `object-${load.written++}`;
      await cluster.direct.create(configMaps, { apiVersion: "v1", kind: "ConfigMap", metadata: { name } });
      await cluster.direct.get(configMaps, name);
    }
  };
  const rotate = async (): Promise<void> => {
    try {
      for (let i = 0; i < ROTATIONS; i++) {
        const until = load.written + WRITES_BETWEEN;
        const name = store.tls?.rotate();
        expect(await shownName(store)).toBe(name);
        await vi.waitUntil(() => load.written >= until, { timeout: WRITES_MILLISECONDS_MAX });
      }
    } finally {
      load.isOver = true;
    }
  };
  await Promise.all([rotate(), ...Array.from({ length: WRITERS }, write)]);
  expect(load.written).toBeGreaterThanOrEqual(ROTATIONS * WRITES_BETWEEN);
}

function shownName({ clientUrls, tls }: Cluster["store"]): Promise<string> {
  const { hostname, port } = new URL(clientUrls);
  const [ca, cert, key] = [tls?.ca, tls?.cert, tls?.key].map((file) => readFileSync(file ?? ""));
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), servername: "localhost", ca, cert, key });
    socket.once("secureConnect", () => {
      const { CN } = socket.getPeerCertificate().subject;
      socket.destroy();
      resolve(String(CN));
    });
    socket.once("error", reject);
  });
}
