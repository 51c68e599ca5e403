import { expect, test } from "vitest";
import type { LeanClient, StreamHandler } from "../../bench/client/lean-client.ts";
import { WatchLog } from "./watch-log.ts";

test("what comes wakes everyone who waits for it, also when another wait of before ends meanwhile", async () => {
  const handlers: StreamHandler[] = [];
  const client = {
    stream: (_: string, handler: StreamHandler): void => void handlers.push(handler),
  } as unknown as LeanClient;
  const log = new WatchLog(client, { cluster: String, member: String, lease: String });
  const before = log.moved(1);
  const waits = Promise.all([log.moved(3_600_000), log.moved(3_600_000)]);
  await before;
  handlers[0].onEnd(0, "");
  await waits;
  expect(log.violations).toEqual(["the stream ended with 0: "]);
});
