import { expect, test } from "vitest";
import { allMethods } from "../../../proto/schema.ts";
import { Headers } from "../../../server/api/header.ts";
import { createServices } from "../../../server/api/services.ts";
import { systemTime } from "../../../server/clock.ts";
import { parseConfig } from "../../../server/config/config.ts";
import type { Engine } from "../../../server/engine/engine.ts";
import type { Method, UnaryCall, UnaryMethod } from "../../../server/transport/service.ts";
import { HeldUnaryCall } from "../../sim/held-unary-call.ts";
import { newEngine, NO_LOG, takeOver } from "../../support/engines.ts";
import { sessionsOf } from "../../support/passwords.ts";

function newServices(engine: Engine): readonly Method[] {
  const parsed = parseConfig([], {});
  if (parsed.kind !== "config") throw new Error("no flags make a configuration");
  return createServices(
    engine,
    new Headers(1n, 2n, engine.proposer),
    systemTime,
    parsed.config,
    NO_LOG,
    sessionsOf(engine),
  ).methods;
}

test("each method of etcd's interface has an answer, as the kind of call that it is", () => {
  const methods = newServices(newEngine());
  const declared = allMethods().map(({ path, requestStream, responseStream }) => [
    path,
    requestStream ? "bidi" : responseStream ? "server-stream" : "unary",
  ]);
  const served = methods.map(({ path, kind }) => [path, kind === "waiting" ? "unary" : kind]);
  expect(served.toSorted()).toEqual(declared.toSorted());
});

test("a method refuses as long as the server starts, and is itself from then on", async () => {
  const engine = newEngine();
  const find = (methods: readonly Method[]): UnaryMethod => {
    const method = methods.find(({ path }) => path === "/etcdserverpb.Cluster/MemberList");
    if (method?.kind !== "unary") throw new Error("the method is there");
    return method;
  };
  const method = find(newServices(engine));
  const outcomes: string[] = [];
  const call: UnaryCall = {
    metadata: { clientApiVersion: null, hasLeader: false, token: null },
    connection: {},
    closed: false,
    reply: () => outcomes.push("served"),
    replyParts: () => outcomes.push("served"),
    fail: ({ code, message }) => outcomes.push(`${code} ${message}`),
  };
  method.handle(call, Buffer.alloc(0));
  await takeOver(engine);
  method.handle(call, Buffer.alloc(0));
  // One that is made later has no gate.
  find(newServices(engine)).handle(call, Buffer.alloc(0));
  expect(outcomes).toEqual(["14 etcdserver: the server is starting: opening the journal", "served", "served"]);
});

test("a standby refuses all calls but that for its status", async () => {
  const engine = newEngine();
  const methods = newServices(engine);
  engine.start.standBy(() => "one at http://10.0.0.1:2379");
  const call = (name: string): HeldUnaryCall => {
    const method = methods.find(({ path }) => path === `/etcdserverpb.${name}`);
    if (method?.kind !== "unary") throw new Error("the method is there");
    const made = new HeldUnaryCall();
    method.handle(made, Buffer.alloc(0));
    return made;
  };
  const message = "etcdserver: standby: one at http://10.0.0.1:2379 has the journal";
  for (const name of ["KV/Range", "KV/Put", "Cluster/MemberList"]) expect(call(name).status).toMatchObject({ message });
  expect(call("Maintenance/Status").status).toBeNull();
  await takeOver(engine);
  expect(call("Cluster/MemberList").status).toBeNull();
});
