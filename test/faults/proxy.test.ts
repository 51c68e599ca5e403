import { once } from "node:events";
import type { AddressInfo, Server, Socket } from "node:net";
import { connect, createServer } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FREELY, Proxy } from "./proxy.ts";

let far: Server;
let proxy: Proxy;
let near: Socket;
/** What has come out on the far side. */
let arrived: string;
let sockets: Socket[];

beforeEach(async () => {
  arrived = "";
  sockets = [];
  far = createServer((socket) => {
    sockets.push(socket);
    socket.on("data", (chunk) => (arrived += String(chunk)));
    socket.on("error", () => undefined);
  });
  far.listen(0, "127.0.0.1");
  await once(far, "listening");
  proxy = await Proxy.listen("127.0.0.1", (far.address() as AddressInfo).port);
  near = connect(proxy.port, "127.0.0.1");
  near.on("error", () => undefined);
  await once(near, "connect");
});

afterEach(() => {
  proxy.close();
  near.destroy();
  for (const socket of sockets) socket.destroy();
  far.close();
});

test("what is held comes when it is let go, all of it and in order, and the other way is free meanwhile", async () => {
  near.write("1");
  await expect.poll(() => arrived).toBe("1");
  proxy.manner = { ...FREELY, isHeldTo: true };
  near.write("2");
  near.write("3");
  sockets[0].write("back");
  expect(String((await once(near, "data"))[0])).toBe("back");
  expect(arrived).toBe("1");
  proxy.manner = FREELY;
  await expect.poll(() => arrived).toBe("123");
});

test("what is slow and lossy comes, all of it and in order", async () => {
  proxy.manner = { ...FREELY, delayMs: 2, lost: 0.5, bytesPerSecond: 10_000 };
  for (let i = 0; i < 10; i++) near.write(String(i));
  await expect.poll(() => arrived).toBe("0123456789");
});

test("a connection that is cut midway gives the first half of what comes next, and ends at both ends", async () => {
  near.write("1");
  await expect.poll(() => arrived).toBe("1");
  proxy.cutMidway();
  const ended = once(near, "close");
  near.write("23456789");
  await ended;
  await expect.poll(() => arrived).toBe("12345");
});
