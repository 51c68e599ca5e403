import { expect, test } from "vitest";
import { allMethods } from "../../../proto/schema.ts";
import { Headers } from "../../../server/api/header.ts";
import { createServices } from "../../../server/api/services.ts";
import { systemTime } from "../../../server/clock.ts";
import { parseConfig } from "../../../server/config/config.ts";
import { newEngine, NO_LOG } from "../../support/engines.ts";

test("each method of etcd's interface has an answer, as the kind of call that it is", () => {
  const parsed = parseConfig([], {});
  if (parsed.kind !== "config") throw new Error("no flags make a configuration");
  const engine = newEngine();
  const { methods } = createServices(engine, new Headers(1n, 2n, engine.proposer), systemTime, parsed.config, NO_LOG);
  const declared = allMethods().map(({ path, requestStream, responseStream }) => [
    path,
    requestStream ? "bidi" : responseStream ? "server-stream" : "unary",
  ]);
  expect(methods.map(({ path, kind }) => [path, kind]).toSorted()).toEqual(declared.toSorted());
});
