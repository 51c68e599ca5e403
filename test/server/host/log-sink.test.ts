import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { DescriptorSink, LOG_PENDING_BYTES_MAX } from "../../../server/host/log-sink.ts";

/** What becomes of a write: an error, or how many bytes are taken of those offered. */
type Outcome = { readonly error: string } | { readonly taken: number };

/** A descriptor that behaves as told, and takes everything when nothing is told. */
const descriptor = vi.hoisted(() => ({
  outcomes: [] as Outcome[],
  text: "",
  asyncWrites: 0,
  /** Writes that have begun wait for `proceed` while this is true. */
  held: false,
  proceed: (): void => undefined,
  /** Takes the bytes of the write that is held, which is not called back before `proceed`. */
  land: (): void => undefined,
}));

function take(bytes: Buffer): number {
  const outcome = descriptor.outcomes.shift() ?? { taken: bytes.length };
  if ("error" in outcome) throw Object.assign(new Error(outcome.error), { code: outcome.error });
  descriptor.text += bytes.subarray(0, outcome.taken).toString();
  return outcome.taken;
}

vi.mock("node:fs", async (original) => ({
  ...(await original<object>()),
  write: (_fd: number, bytes: Buffer, done: (error: Error | null, count: number) => void): void => {
    descriptor.asyncWrites++;
    let landed: number | null = null;
    descriptor.land = () => {
      landed = take(bytes);
    };
    const run = (): void => {
      try {
        done(null, landed ?? take(bytes));
      } catch (error) {
        done(error as Error, 0);
      }
    };
    if (descriptor.held) descriptor.proceed = run;
    else setImmediate(run);
  },
  writeSync: (_fd: number, bytes: Buffer): number => take(bytes),
}));

const full: Outcome = { error: "ENOSPC" };
const busy: Outcome = { error: "EAGAIN" };

let sink: DescriptorSink;
let reports: number[];

afterEach(() => {
  vi.restoreAllMocks();
});

beforeEach(() => {
  Object.assign(descriptor, { outcomes: [], text: "", asyncWrites: 0, held: false });
  reports = [];
  sink = new DescriptorSink(1_000, (total) => {
    reports.push(total);
    sink.write(`dropped ${total}\n`);
  });
});

/** A busy machine takes its time. */
const POLLING = { interval: 1, timeout: 20_000 };

async function expectText(text: string): Promise<void> {
  await vi.waitFor(() => expect(descriptor.text).toBe(text), POLLING);
}

async function expectWrites(count: number): Promise<void> {
  await vi.waitFor(() => expect(descriptor.asyncWrites).toBe(count), POLLING);
}

describe("a log descriptor", () => {
  test("lines are written in order, one write at a time, and not before write returns", async () => {
    sink.write("a\n");
    sink.write("b\n");
    expect(descriptor.asyncWrites).toBe(0);
    descriptor.held = true;
    await expectWrites(1);
    descriptor.proceed();
    await expectWrites(2);
    descriptor.proceed();
    expect(descriptor.text).toBe("a\nb\n");
    expect(reports).toEqual([]);
  });

  test("a line that is taken in parts arrives whole", async () => {
    descriptor.outcomes = [{ taken: 2 }, busy, { taken: 1 }];
    sink.write("abcde\n");
    sink.write("f\n");
    await expectText("abcde\nf\n");
    expect(reports).toEqual([]);
  });

  test("lines that cannot be written are dropped, and their number is told when lines can be written again", async () => {
    descriptor.outcomes = [full, full, full];
    for (const line of ["a\n", "b\n", "c\n", "d\n"]) sink.write(line);
    await expectText("d\ndropped 3\n");
  });

  test("a report that is dropped itself is made good by the next one", async () => {
    descriptor.outcomes = [full, { taken: 2 }, full];
    sink.write("a\n");
    sink.write("b\n");
    await expectWrites(3);
    await expectText("b\n");
    sink.write("c\n");
    await expectText("b\nc\ndropped 2\n");
    expect(reports).toEqual([1, 2]);
  });

  test("a line that was dropped half-written does not spoil the next one", async () => {
    descriptor.outcomes = [{ taken: 2 }, full, full];
    for (const line of ["abc\n", "lost\n", "d\n"]) sink.write(line);
    await expectText("ab\nd\ndropped 2\n");
  });

  test("a reader that stalls costs bounded memory: further lines are dropped, those held arrive when it reads on", async () => {
    descriptor.held = true;
    const line = `${"x".repeat(1024 * 1024 - 1)}\n`;
    const fitting = LOG_PENDING_BYTES_MAX / line.length;
    for (let i = 0; i < fitting + 5; i++) sink.write(line);
    await expectWrites(1);
    descriptor.held = false;
    descriptor.proceed();
    await expectText(`${line.repeat(fitting)}dropped 5\n`);
  });

  test("a flush writes what waits before it returns, and nothing twice", async () => {
    sink.write("a\n");
    sink.write("b\n");
    sink.flushSync();
    expect(descriptor.text).toBe("a\nb\n");
    sink.write("c\n");
    await expectText("a\nb\nc\n");
  });

  test("a flush gives the line under way to its thread, and a while", async () => {
    descriptor.held = true;
    sink.write("a\n");
    await expectWrites(1);
    sink.write("b\n");
    const pause = vi.spyOn(Atomics, "wait").mockImplementation(() => {
      descriptor.land();
      return "timed-out";
    });
    sink.flushSync();
    expect(descriptor.text).toBe("a\nb\n");
    expect(pause).toHaveBeenCalledTimes(1);
    descriptor.proceed();
    expect(descriptor.text).toBe("a\nb\n");
  });

  test("a flush does not wait longer for a thread that is stuck, and writes that line to nobody else", async () => {
    descriptor.held = true;
    sink.write("a\n");
    await expectWrites(1);
    sink.write("b\n");
    sink.flushSync();
    expect(descriptor.text).toBe("b\n");
    descriptor.proceed();
    expect(descriptor.text).toBe("b\na\n");
  });

  test("a flush with nothing behind the line under way does not wait at all", async () => {
    descriptor.held = true;
    sink.write("a\n");
    await expectWrites(1);
    const pause = vi.spyOn(Atomics, "wait");
    sink.flushSync();
    expect(pause).not.toHaveBeenCalled();
  });

  test("a drain ends when every line is written, the one under way first", async () => {
    descriptor.held = true;
    sink.write("a\n");
    await expectWrites(1);
    sink.write("b\n");
    const drained = sink.drain().then(() => descriptor.text);
    descriptor.held = false;
    descriptor.proceed();
    expect(await drained).toBe("a\nb\n");
    await sink.drain();
  });

  test("a drain does not wait for a reader that does not read", async () => {
    descriptor.outcomes = [busy];
    sink.write("a\n");
    sink.write("b\n");
    expect(await sink.drain().then(() => descriptor.text)).toBe("");
    await expectText("a\nb\n");
  });

  test("a drain gives a disk that hangs up after a time", async () => {
    descriptor.held = true;
    sink.write("a\n");
    await sink.drain();
    expect(descriptor.text).toBe("");
  });

  test.each(["ENOSPC", "EAGAIN", "EIO", "EBADF", "EPIPE"])(
    "a flush that meets %s tries no second time",
    async (error) => {
      sink.write("a\n");
      sink.write("b\n");
      descriptor.outcomes = [{ error }];
      sink.flushSync();
      expect(descriptor.text).toBe("");
      expect(descriptor.outcomes).toEqual([]);
      // The process went on after all.
      await expectText("a\nb\n");
    },
  );
});
