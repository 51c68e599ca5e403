/** Lists of leases and of their keys for who may not read everything: each key is asked for, and no turn asks for very many. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Authorization } from "../../../partitions/auth/authorization.ts";
import type { Keyspace } from "../../../partitions/keyspace.ts";
import { PERMISSION_DENIED } from "../../../partitions/refusals.ts";
import { LongChange } from "../../../partitions/txn/long-change.ts";
import { PERMISSION_READ } from "../../../proto/auth.ts";
import {
  leaseLeasesRequest,
  leaseLeasesResponse,
  leaseTimeToLiveRequest,
  leaseTimeToLiveResponse,
} from "../../../proto/rare.ts";
import { Callers } from "../../../server/api/callers.ts";
import { Headers } from "../../../server/api/header.ts";
import { LeaseService } from "../../../server/api/lease.ts";
import type { Engine } from "../../../server/engine/engine.ts";
import { LEASE_LIST_SLICE } from "../../../server/limits.ts";
import { AuthTokens } from "../../../server/session/auth-tokens.ts";
import type { CallMetadata, Method, UnaryMethod } from "../../../server/transport/service.ts";
import { deleteRequest, putRequest } from "../../../bench/client/requests.ts";
import { HeldUnaryCall } from "../../sim/held-unary-call.ts";
import { ManualClock } from "../../sim/manual-clock.ts";
import { SeededTurns } from "../../sim/seeded-turns.ts";
import { NO_LOG, newEngine, takeOver } from "../../support/engines.ts";

const ID = 5n;
const KEYS = 5 * LEASE_LIST_SLICE + 3;

class CallOf extends HeldUnaryCall {
  override readonly metadata: CallMetadata;

  constructor(token: string) {
    super();
    this.metadata = { clientApiVersion: null, hasLeader: false, token };
  }
}

let engine: Engine;
let keyspace: Keyspace;
let turns: SeededTurns;
let methods: readonly Method[];
let token: string;

beforeEach(async () => {
  const clock = new ManualClock();
  turns = new SeededTurns(() => 0);
  engine = newEngine({ clock });
  await takeOver(engine);
  ({ keyspace } = engine);
  const { auth } = keyspace;
  for (const name of ["root", "amy"]) {
    auth.addUser(name, null);
    auth.addRole(name);
    auth.grantRole(name, name);
  }
  auth.grantPermission("amy", { permType: PERMISSION_READ, key: Buffer.from("k"), rangeEnd: Buffer.from("l") });
  auth.enable();
  const tokens = new AuthTokens(auth, clock, 300_000);
  const amy = auth.user("amy");
  if (amy === null) throw new Error("the user was added");
  token = tokens.assign(amy);
  const callers = new Callers(keyspace, tokens, NO_LOG);
  methods = new LeaseService({ ...engine, callers, headers: new Headers(1n, 7n, engine.proposer), turns }).methods;
  keyspace.leaseGrant(ID, 10);
  engine.lessor.add(ID, 10);
});

afterEach(() => void vi.restoreAllMocks());

function put(key: string): void {
  keyspace.put(putRequest(key, "", { lease: ID }));
}

function fill(): void {
  for (let i = 0; i < KEYS; i++) put(`k${i}`);
}

function ask(path: string, message: Uint8Array): HeldUnaryCall {
  const call = new CallOf(token);
  const method = methods.find((each) => each.path === `/etcdserverpb.Lease/${path}`) as UnaryMethod;
  method.handle(call, Buffer.from(message));
  return call;
}

const askKeys = (): HeldUnaryCall => ask("LeaseTimeToLive", leaseTimeToLiveRequest.encode({ ID, keys: true }));
const askLeases = (): HeldUnaryCall => ask("LeaseLeases", leaseLeasesRequest.encode({}));

/** Lets turns pass until a call is answered, and gives the most keys that one of them has asked for. */
async function answered(asked: () => HeldUnaryCall): Promise<{ call: HeldUnaryCall; most: number }> {
  const range = vi.spyOn(Authorization.prototype, "refuseRange");
  const call = asked();
  let most = range.mock.calls.length;
  while (call.message === null && call.status === null) {
    range.mockClear();
    await turns.turn();
    most = Math.max(most, range.mock.calls.length);
  }
  range.mockRestore();
  return { call, most };
}

test.each([
  ["the keys of a lease", askKeys],
  ["leases", askLeases],
])("a list of %s asks for each key, and in no turn for more than a slice", async (_, asked) => {
  fill();
  const gone = vi.spyOn(keyspace.lease(ID)!, "keyTexts");
  const { call, most } = await answered(asked);
  expect(call.status).toBeNull();
  expect(most).toBeLessThanOrEqual(LEASE_LIST_SLICE);
  expect(most).toBeGreaterThan(0);
  expect(gone, "they are not gone through in one go").not.toHaveBeenCalled();
  put("other");
  expect((await answered(asked)).call.status).toBe(PERMISSION_DENIED);
  keyspace.deleteRange(deleteRequest("other"));
  const again = (await answered(asked)).call.message;
  if (asked === askKeys) expect(leaseTimeToLiveResponse.decode(again!).keys).toHaveLength(KEYS);
  else expect(leaseLeasesResponse.decode(again!).leases).toEqual([{ ID }]);
});

test("short ones are asked for, too", async () => {
  put("k");
  expect((await answered(askKeys)).call.status).toBeNull();
  expect((await answered(askLeases)).call.status).toBeNull();
  put("other");
  expect((await answered(askKeys)).call.status).toBe(PERMISSION_DENIED);
  expect((await answered(askLeases)).call.status).toBe(PERMISSION_DENIED);
});

test("a list of leases waits while keys that may not be read are being deleted, of which nothing is seen", async () => {
  fill();
  put("other");
  const change = keyspace.beginDeleteRange(deleteRequest("k", "z"), 0);
  if (!(change instanceof LongChange)) throw new Error("so many keys are a long change");
  change.step(LEASE_LIST_SLICE);
  const calls = [askLeases()];
  while (!change.step(LEASE_LIST_SLICE)) {
    calls.push(askLeases());
    for (let i = 0; i < 3; i++) await turns.turn();
    for (const { message, status } of calls) expect([message, status]).toEqual([null, null]);
  }
  change.end();
  await turns.settle();
  for (const { message } of calls) expect(leaseLeasesResponse.decode(message!).leases).toEqual([{ ID }]);
});

test("a call that closes lets go of what it has held", async () => {
  fill();
  const call = askLeases();
  await turns.turn();
  call.closed = true;
  await turns.settle();
  expect(keyspace.compact(keyspace.revision)).toBeNull();
  expect(keyspace.removalHeld).toBe(false);
});
