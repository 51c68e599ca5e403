import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { connect } from "node:net";
import type { AddressInfo, Socket } from "node:net";

import { expect, onTestFinished, test } from "vitest";

import { WAITING_REQUESTS_MAX, answerInTurn } from "../../../server/http/answer-in-turn.ts";

/** Connects to a server whose handler only notes what it is given. */
async function start(): Promise<{ client: Socket; given: [IncomingMessage, ServerResponse][] }> {
  const given: [IncomingMessage, ServerResponse][] = [];
  const server = createServer(answerInTurn((request, response) => void given.push([request, response])));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  onTestFinished(() => {
    client.destroy();
    server.close();
  });
  return { client, given };
}

function requests(count: number): string {
  return Array.from({ length: count }, (_, i) => `GET /${i} HTTP/1.1\r\nHost: x\r\n\r\n`).join("");
}

test("requests sent at once are handled one after the other, and none is lost", async () => {
  const { client, given } = await start();
  const count = 1 + WAITING_REQUESTS_MAX;
  let received = "";
  client.on("data", (chunk: Buffer) => (received += chunk.toString()));
  client.write(requests(count));
  for (let i = 0; i < count; i++) {
    await expect.poll(() => given.length, { interval: 1 }).toBe(i + 1);
    given[i][1].end(`answer ${given[i][0].url}.`);
  }
  await expect
    .poll(() => received.match(/answer \/\d+\./g))
    .toEqual(Array.from({ length: count }, (_, i) => `answer /${i}.`));
  // The socket serves on.
  client.write(requests(1));
  await expect.poll(() => given.length).toBe(count + 1);
});

test("an answer that the client does not take is the only one that is made", async () => {
  const { client, given } = await start();
  client.pause();
  client.write(requests(3));
  await expect.poll(() => given.length).toBe(1);
  // More than the kernel takes on both sides.
  given[0][1].end(Buffer.alloc(64 * 1024 * 1024));
  await expect.poll(() => given[0][1].writableLength).toBeGreaterThan(0);
  expect(given).toHaveLength(1);
  client.resume();
  await expect.poll(() => given.length).toBe(2);
});

test("a client that sends more than may wait loses its connection, and nothing else is handled", async () => {
  const { client, given } = await start();
  const closed = new Promise((resolve) => client.on("close", resolve));
  client.on("error", () => {
    // ECONNRESET, where the rest of the requests was not read.
  });
  client.write(requests(4_000));
  await closed;
  expect(given).toHaveLength(1);
});
