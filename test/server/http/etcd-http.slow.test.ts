/** What is served over HTTP/1.1, beside what a real etcd serves. */
import { expect, test } from "vitest";

import { goMissingReason } from "../../../bench/peers/build.ts";
import { startEtcd } from "../../../bench/peers/etcd.ts";
import { createLogger } from "../../../server/host/logger.ts";
import { HealthChecks } from "../../../server/http/health-checks.ts";
import { createHttpHandler } from "../../../server/http/http-handler.ts";
import { listenHttp } from "../../../server/http/http-listener.ts";
import { FakeHealth } from "../../sim/fake-health.ts";
import { LogLines } from "../../sim/log-lines.ts";
import { ManualClock } from "../../sim/manual-clock.ts";

interface Reply {
  readonly status: number;
  readonly body: string;
  readonly headers: Record<string, string>;
}

test.skipIf(goMissingReason() !== null)("status, text, Allow and content type are etcd's own", async () => {
  const etcd = await startEtcd();
  const health = new FakeHealth();
  const clock = new ManualClock();
  const logger = createLogger({ level: "info", format: "json" }, new LogLines());
  const handler = createHttpHandler({
    checks: new HealthChecks(health, clock, logger),
    metrics: () => Promise.resolve("# metrics\n"),
    status: () => expect.unreachable("etcd has none"),
    logger,
    clock,
  });
  const listener = await listenHttp({ host: "127.0.0.1", port: 0 }, handler, {
    refuse: () => undefined,
    fail: () => undefined,
  });
  const { address } = listener;
  const url = typeof address === "string" ? address : `http://127.0.0.1:${address.port}`;
  try {
    for (const target of [
      "/health",
      "/health?serializable=true",
      "/livez",
      "/livez?verbose",
      "/livez/serializable_read?verbose",
      "/readyz",
      "/readyz?verbose",
      "/readyz/data_corruption?verbose",
      "/readyz?verbose&exclude=non_learner&exclude=unheard_of",
      "/version",
      "/",
      "/health/",
      "/readyz/unheard_of",
      "/nope",
    ]) {
      for (const method of ["GET", "HEAD", "POST", "PUT"]) {
        expect(comparable(await ask(url, target, method)), `${method} ${target}`).toEqual(
          comparable(await ask(etcd.url, target, method)),
        );
      }
    }
    // One at a time: of several, etcd names any.
    for (const alarm of ["NOSPACE", "CORRUPT"]) {
      await setAlarm(etcd.url, "ACTIVATE", alarm);
      health.activeAlarms = [alarm];
      for (const target of [
        "/health",
        "/health?exclude=NOSPACE",
        "/readyz",
        "/readyz?exclude=data_corruption",
        "/readyz/data_corruption",
        "/livez",
      ]) {
        expect(comparable(await ask(url, target)), `${alarm} ${target}`).toEqual(
          comparable(await ask(etcd.url, target)),
        );
      }
      await setAlarm(etcd.url, "DEACTIVATE", alarm);
    }
  } finally {
    await listener.close();
    await etcd.stop();
  }
});

async function ask(base: string, target: string, method = "GET"): Promise<Reply> {
  const response = await fetch(`${base}${target}`, { method });
  return { status: response.status, body: await response.text(), headers: Object.fromEntries(response.headers) };
}

async function setAlarm(etcdUrl: string, action: string, alarm: string): Promise<void> {
  const reply = await fetch(`${etcdUrl}/v3/maintenance/alarm`, {
    method: "POST",
    body: JSON.stringify({ action, alarm }),
  });
  expect(reply.status).toBe(200);
}

/** etcd shows checks in an order that changes from run to run. */
function comparable({ status, body, headers }: Reply): unknown {
  return {
    status,
    lines: body.split("\n").toSorted(),
    allow: headers["allow"],
    contentType: headers["content-type"],
    sniffing: headers["x-content-type-options"],
    length: headers["content-length"],
  };
}
