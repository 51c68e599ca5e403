/**
 * Whatever one client sends, the server neither crashes nor hangs, other connections do not notice, and nothing of the
 * client remains when it is gone. FUZZ_FACTOR multiplies the number of runs.
 */

import * as fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";

import { LeanClient } from "../../../bench/client/lean-client.ts";
import * as frames from "../../../server/transport/frames/frames.ts";
import { GrpcServer } from "../../../server/transport/grpc-server.ts";
import {
  type Attack,
  type AttackResult,
  cuts,
  frameAttacks,
  goodCalls,
  mutationAttacks,
  noiseAttacks,
  runAttack,
  splitFrames,
} from "./support-fuzz.ts";
import { ECHO_LATER, ECHO_STREAM, pattern, TestService } from "./support-test-service.ts";

const RUNS_FACTOR = Number(process.env["FUZZ_FACTOR"] ?? 1);
const WITNESS_TRIES_MAX = 10_000;

const service = new TestService();
let server: GrpcServer;
let port: number;
/** Its calls must succeed all the time. */
let witness: LeanClient;
let witnessMessages = 0;
let witnessStream: ReturnType<LeanClient["stream"]>;

beforeAll(async () => {
  server = new GrpcServer({
    methods: service.methods,
    http: (_, response) => void response.writeHead(404).end(),
    poisonReads: true,
    // The witness waits by pinging.
    limits: { pingIntervalMsMin: 0 },
  });
  port = (await server.listen({ host: "127.0.0.1", port: 0 })).port ?? 0;
  witness = await LeanClient.connect(`http://127.0.0.1:${port}`);
  witnessStream = witness.stream(ECHO_STREAM, { onMessage: () => witnessMessages++, onEnd: () => {} });
  await service.streamsOpen(1);
});

afterAll(async () => {
  await witness.close();
  await server.shutdown(0);
});

/** Runs the attack beside calls of the witness, and looks for what it left behind. */
async function withstand(attack: Attack, places: readonly number[]): Promise<AttackResult> {
  const length = attack.octets.length * 10;
  const messagesBefore = witnessMessages;
  witnessStream.send(pattern(length));
  const [result, reply] = await Promise.all([
    runAttack(port, attack, places),
    witness.call(ECHO_LATER, pattern(length)),
  ]);
  expect(reply.equals(pattern(length)), "the reply to the witness").toBe(true);
  const settled = (): boolean => server.connectionCount === 1 && witnessMessages > messagesBefore;
  for (let tries = 0; !settled(); tries++) {
    expect(tries, "waited in vain for the attacker's connection to end").toBeLessThan(WITNESS_TRIES_MAX);
    await witness.ping();
  }
  expect(server.streamCount, "streams beside the witness's").toBe(1);
  expect(service.openStreams.size, "streaming calls beside the witness's").toBe(1);
  expect(
    service.neverCalls.splice(0).filter((call) => !call.closed),
    "calls still open",
  ).toEqual([]);
  expect(service.lateCalls, "listeners called after their end").toBe(0);
  return result;
}

it("frames of any kind end their connection, or leave it in order", async () => {
  await fc.assert(
    fc.asyncProperty(frameAttacks, cuts, async (attack, places) => {
      const { answered, closedByServer, received } = await withstand(attack, places);
      expect(answered || closedByServer, "answered or closed").toBe(true);
      // What the server sends is in order, whatever it got.
      for (const sent of splitFrames(received)) {
        expect(sent.length).toBeLessThanOrEqual(frames.FRAME_HEADER_BYTES + frames.DEFAULT_FRAME_BYTES_MAX);
        expect(sent[3]).toBeLessThanOrEqual(frames.CONTINUATION);
        expect([frames.PRIORITY, frames.PUSH_PROMISE]).not.toContain(sent[3]);
      }
    }),
    { numRuns: 250 * RUNS_FACTOR },
  );
});

it("good calls with octets changed, lost, doubled or added do no harm to others", async () => {
  await fc.assert(
    fc.asyncProperty(mutationAttacks, cuts, async (attack, places) => {
      await withstand(attack, places);
    }),
    { numRuns: 200 * RUNS_FACTOR },
  );
});

it("noise does no harm to others", async () => {
  await fc.assert(
    fc.asyncProperty(noiseAttacks, cuts, async (attack, places) => {
      await withstand(attack, places);
    }),
    { numRuns: 120 * RUNS_FACTOR },
  );
});

it("the answers to good calls do not depend on how their octets are cut", async () => {
  /** Window updates, and only they, may come at other times. */
  const answers = ({ received }: AttackResult): string =>
    splitFrames(received)
      .filter((sent) => sent[3] !== frames.WINDOW_UPDATE)
      .map((sent) => sent.toString("latin1"))
      .join("");
  await fc.assert(
    fc.asyncProperty(goodCalls, cuts, async ({ octets, count }, places) => {
      const whole = await withstand({ octets, aligned: true }, []);
      const cut = await withstand({ octets, aligned: true }, places);
      expect(cut.answered && whole.answered, "both connections stay usable").toBe(true);
      expect(answers(cut) === answers(whole), "equal answers").toBe(true);
      const ends = splitFrames(cut.received).filter(
        (sent) => sent[3] === frames.HEADERS && (sent[4] & frames.END_STREAM) !== 0,
      );
      expect(ends.length).toBe(count);
    }),
    { numRuns: 80 * RUNS_FACTOR },
  );
});
