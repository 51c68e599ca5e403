import { expect, test } from "vitest";
import { runClosedLoop } from "../../bench/client/closed-loop.ts";
import { LatencyHistogram } from "../../bench/client/latency-histogram.ts";
import type { LeanClient } from "../../bench/client/lean-client.ts";

const NOTHING = Buffer.alloc(0);

test("what is measured has a call at least, however short it was to be", async () => {
  const late = {
    unary: (_path: string, _request: Uint8Array, onReply: (status: number, reply: Buffer, text: string) => void) =>
      void setTimeout(() => onReply(0, NOTHING, ""), 50),
  };
  const histogram = new LatencyHistogram();
  const { calls, seconds } = await runClosedLoop(
    // Cast: the loop asks for nothing else of a client.
    { clients: [late as unknown as LeanClient], inFlight: 1, path: "/", request: () => NOTHING },
    { warmUpSeconds: 0, seconds: 0.001, callsMax: 10, histogram },
  );
  expect([calls, histogram.total]).toEqual([1, 1]);
  expect(seconds).toBeGreaterThan(0.001);
});
