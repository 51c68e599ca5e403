import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { describe, expect, onTestFinished, test } from "vitest";

import type { LogLevel } from "../../../server/config/config.ts";
import { createLogger, openLog } from "../../../server/host/logger.ts";
import { LogLines } from "../../sim/log-lines.ts";

function fieldsOf(line: string): Record<string, unknown> {
  return JSON.parse(line) as Record<string, unknown>;
}

describe("the log", () => {
  test("a line has etcd's fields, the level first and the message last", () => {
    const sink = new LogLines();
    createLogger({ level: "info", format: "json" }, sink).info({ revision: 7 }, "compacted");
    expect(sink.lines).toHaveLength(1);
    expect(Object.keys(fieldsOf(sink.lines[0]))).toEqual(["level", "ts", "revision", "msg"]);
    expect(fieldsOf(sink.lines[0])).toMatchObject({ level: "info", revision: 7, msg: "compacted" });
    expect(sink.lines[0]).toMatch(/"ts":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"/);
    expect(sink.lines[0].endsWith("\n")).toBe(true);
  });

  test.each<{ level: LogLevel; logged: string[] }>([
    { level: "debug", logged: ["debug", "info", "warn", "error", "fatal"] },
    { level: "info", logged: ["info", "warn", "error", "fatal"] },
    { level: "warn", logged: ["warn", "error", "fatal"] },
    { level: "error", logged: ["error", "fatal"] },
    { level: "panic", logged: ["fatal"] },
    { level: "fatal", logged: ["fatal"] },
  ])("at level $level it keeps $logged", ({ level, logged }) => {
    const sink = new LogLines();
    const logger = createLogger({ level, format: "json" }, sink);
    for (const each of ["debug", "info", "warn", "error", "fatal"] as const) {
      logger[each]("text");
    }
    expect(sink.lines.map((line) => fieldsOf(line)["level"])).toEqual(logged);
  });

  test("an error is one line of text with its causes, and a fatal one says where it was", () => {
    const sink = new LogLines();
    const logger = createLogger({ level: "info", format: "json" }, sink);
    const error = new Error("cannot start", { cause: new Error("disk is full") });
    logger.error({ error }, "failed");
    logger.fatal({ error }, "failed");
    expect(fieldsOf(sink.lines[0])).toMatchObject({ error: "cannot start: disk is full" });
    expect(fieldsOf(sink.lines[0])).not.toHaveProperty("stacktrace");
    expect(fieldsOf(sink.lines[1])).toMatchObject({
      error: "cannot start: disk is full",
      stacktrace: expect.stringContaining("logger.test.ts"),
    });
  });

  test("an error that names its cause already says it once", () => {
    const sink = new LogLines();
    const cause = new Error("ENOSPC: no space left on device, write");
    const error = new Error(`/data/1.log: writing failed: ${cause.message}`, { cause });
    const outer = new Error("the server could not start", { cause: error });
    createLogger({ level: "info", format: "json" }, sink).error({ error: outer }, "failed");
    expect(fieldsOf(sink.lines[0])["error"]).toBe(
      "the server could not start: /data/1.log: writing failed: ENOSPC: no space left on device, write",
    );
  });

  test("a ring of causes ends, and so does a long chain", () => {
    const sink = new LogLines();
    const logger = createLogger({ level: "info", format: "json" }, sink);
    const ring = new Error("a");
    ring.cause = new Error("b", { cause: ring });
    logger.error({ error: ring }, "failed");
    let chain = new Error("cause 0");
    for (let i = 1; i <= 20; i++) chain = new Error(`cause ${i}`, { cause: chain });
    logger.error({ error: chain }, "failed");
    expect(sink.lines.map((line) => fieldsOf(line)["error"])).toEqual([
      "a: b",
      "cause 20: cause 19: cause 18: cause 17: cause 16: cause 15: cause 14: cause 13",
    ]);
  });

  test("numbers are rounded to a tenth, and nothing else changes", () => {
    const sink = new LogLines();
    const logger = createLogger({ level: "info", format: "json" }, sink);
    logger.info({ "took-ms": 29.560299999999984, revision: 7, "data-dir": "/data/1.23456", list: [1.25] }, "replayed");
    const { level: _, ts: __, ...fields } = fieldsOf(sink.lines[0]);
    expect(fields).toEqual({
      "took-ms": 29.6,
      revision: 7,
      "data-dir": "/data/1.23456",
      list: [1.25],
      msg: "replayed",
    });
  });

  test("a fatal line is written out at once", () => {
    const sink = new LogLines();
    createLogger({ level: "info", format: "json" }, sink).fatal("the end");
    expect(sink.flushes).toBe(1);
  });

  test("the console format is text with the other fields at the end", () => {
    const sink = new LogLines();
    const logger = createLogger({ level: "info", format: "console" }, sink);
    logger.warn({ flags: ["pre-vote"] }, "no effect");
    logger.info("ready");
    expect(sink.lines[0]).toMatch(/^\S+Z\twarn\tno effect\t\{"flags":\["pre-vote"\]\}\n$/);
    expect(sink.lines[1]).toMatch(/^\S+Z\tinfo\tready\n$/);
  });
});

describe("outputs", () => {
  test("every file gets every line, after a flush without waiting, behind what was there", async () => {
    const directory = await mkdtemp(path.join(tmpdir(), "plinth-log-"));
    onTestFinished(() => rm(directory, { recursive: true }));
    const outputs = [path.join(directory, "a.log"), path.join(directory, "b.log")];
    for (const message of ["first", "second"]) {
      const { logger, flush } = openLog({ level: "info", format: "json", outputs });
      logger.info(message);
      flush();
    }
    for (const output of outputs) {
      const lines = (await readFile(output, "utf8")).trimEnd().split("\n");
      expect(lines.map((line) => fieldsOf(line)["msg"])).toEqual(["first", "second"]);
    }
  });

  test("lines keep their order when the process ends while one of them is under way", async () => {
    const directory = await mkdtemp(path.join(tmpdir(), "plinth-log-"));
    onTestFinished(() => rm(directory, { recursive: true }));
    const output = path.join(directory, "a.log");
    const { logger, drain } = openLog({ level: "info", format: "json", outputs: [output] });
    const messages: string[] = [];
    for (let i = 0; i < 50; i++) {
      messages.push(`received signal ${i}`, `stopped ${i}`);
      logger.info(`received signal ${i}`);
      // The thread pool has it from now on.
      await new Promise((resolve) => setImmediate(resolve));
      logger.info(`stopped ${i}`);
      await drain();
    }
    const lines = (await readFile(output, "utf8")).trimEnd().split("\n");
    expect(lines.map((line) => fieldsOf(line)["msg"])).toEqual(messages);
  });

  test("a file that cannot be opened is an error at the start", () => {
    const output = path.join(tmpdir(), "no-such-directory", "plinth.log");
    expect(() => openLog({ level: "info", format: "json", outputs: [output] })).toThrow(/ENOENT/);
  });
});
