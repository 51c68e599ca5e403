/**
 * Comes and goes: idle connections in hundreds, bytes that are no protocol, requests that never end, watchers that do not
 * read. Arguments: the URL, a seed, and how many connections it opens at a time.
 */
import { connect } from "node:net";
import type { Socket } from "node:net";
import { once } from "node:events";
import { prefixWatch } from "../../../bench/client/requests.ts";
import { tellAtWork } from "../../../bench/tell-starter.ts";
import { EtcdClient } from "../../support/etcd-client.ts";
import { Random } from "../../guarantees/traffic/random.ts";
import { delay } from "../../support/delay.ts";

const [url, seed, connections] = process.argv.slice(2);
const random = new Random(Number(seed));
const port = Number(new URL(url).port);
const HTTP2_PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

function open(): Socket {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  return socket;
}

const VISITS: readonly (() => Promise<void>)[] = [
  async () => {
    const sockets = Array.from({ length: Number(connections) }, open);
    await delay(random.integer(500, 3_000));
    for (const socket of sockets) socket.destroy();
  },
  async () => {
    const sockets = Array.from({ length: 20 }, open);
    for (const socket of sockets) {
      await Promise.race([once(socket, "connect"), delay(1_000)]);
      const noise = Buffer.from(Array.from({ length: 200 }, () => random.integer(0, 256)));
      socket.write(
        random.pick([noise, HTTP2_PREFACE, Buffer.concat([Buffer.from(HTTP2_PREFACE), noise]), "GET /healt"]),
      );
    }
    await delay(1_000);
    for (const socket of sockets) socket.destroy();
  },
  async () => {
    // Watches everything and reads nothing.
    const client = await EtcdClient.connect(url, { streamWindow: 65_535, connectionWindow: 65_535 });
    const stream = client.watch();
    stream.send({ case: "create", request: prefixWatch("/", { prevKv: true, startRevision: 0 }) });
    client.lean.pauseReading();
    await delay(random.integer(2_000, 8_000));
    client.lean.destroy();
  },
];

tellAtWork();
for (;;) {
  await random
    .pick(VISITS)()
    .catch(() => undefined);
  await delay(random.integer(50, 500));
}
