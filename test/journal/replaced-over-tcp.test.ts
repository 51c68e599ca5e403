/** A replica at an address that has lost its directory while the writer goes on. */
import { afterEach, expect, test } from "vitest";
import { RecordingListener } from "../sim/recording-listener.ts";
import { KIND_CONFIGURATION } from "../../journal/frame.ts";
import { readTexts } from "./journal-contract.ts";
import type { QuorumJournal } from "../../journal/quorum/quorum-journal.ts";
import { TcpZones, untilPassed } from "./tcp-zones.ts";

let zones: TcpZones | null = null;
afterEach(() => zones?.close());

test("a replica elsewhere that comes back blank is made anew and taken in, and then another may go", async () => {
  zones = await TcpZones.start(1);
  const store = await zones.open();
  const listener = new RecordingListener();
  const journal = await untilPassed(() => store.takeOver(listener));
  await listener.untilCommitted(journal.append(Buffer.from("by three")));
  await zones.stop("c");
  for (const file of await zones.disk.list("/c")) await zones.disk.remove(`/c/${file}`);
  await listener.untilCommitted(journal.append(Buffer.from("by two")));
  const lost = zones.at("a").status.members;
  await zones.serve("c");
  await expect.poll(() => journal.isWhole, { timeout: 20_000 }).toBe(true);
  const { members } = zones.at("c").status;
  expect(members.map(({ zone }) => zone)).toEqual(["a", "b", "c"]);
  expect(members[2]).not.toEqual(lost[2]);
  await zones.stop("b");
  await listener.untilCommitted(journal.append(Buffer.from("by another two")));
  expect(await readTexts(journal.read(1), 1)).toEqual(["by three", "by two", "by another two"]);
  await journal.close();
});

test("a replica that was taken in and was not told so before the writer and another went decides all the same", async () => {
  zones = await TcpZones.start(2);
  const store = await zones.open();
  const listener = new RecordingListener();
  const journal = await untilPassed(() => store.takeOver(listener));
  await listener.untilCommitted(journal.append(Buffer.from("by three")));
  await zones.stop("c");
  for (const file of await zones.disk.list("/c")) await zones.disk.remove(`/c/${file}`);
  const service = await zones.serve("c");
  const handle = service.handle.bind(service);
  let isListed = false;
  service.handle = (request, answer) => {
    // What would tell it that the list is committed is lost.
    if (isListed && request.kind === "append") return;
    isListed ||= request.kind === "append" && request.frame?.readUInt32LE(4) === KIND_CONFIGURATION;
    handle(request, answer);
  };
  const made = (): unknown => zones?.at("a").status.members.find(({ zone }) => zone === "c");
  const before = made();
  await expect.poll(made, { timeout: 20_000 }).not.toEqual(before);
  await journal.close();
  await zones.stop("b");
  service.handle = handle;
  const next = await zones.open();
  const reign = await untilPassed(() => next.takeOver(listener));
  await listener.untilCommitted(reign.append(Buffer.from("by another two")));
  expect(await readTexts(reign.read(1), 1)).toEqual(["by three", "by another two"]);
  await reign.close();
});

test("a replica elsewhere that comes back blank begins anew where the journal was trimmed, and one that lay behind does", async () => {
  zones = await TcpZones.start(3);
  const prepared: string[] = [];
  const prepareZone = (zone: string): Promise<void> => Promise.resolve(void prepared.push(zone));
  const store = await zones.open({ prepareZone, laggardBytesMax: 0 });
  const listener = new RecordingListener();
  const write = async (reign: QuorumJournal, count: number): Promise<void> => {
    for (let i = 0; i < count; i++) await listener.untilCommitted(reign.append(Buffer.alloc(1_000)));
  };
  const journal = await untilPassed(() => store.takeOver(listener));
  await write(journal, 20);
  await zones.stop("c");
  for (const file of await zones.disk.list("/c")) await zones.disk.remove(`/c/${file}`);
  await write(journal, 40);
  await expect.poll(async () => (await journal.trim(55), journal.first)).toBeGreaterThan(40);
  await journal.close();
  // What a former reign had in memory this one has not.
  const reign = await untilPassed(() => store.takeOver(listener));
  await zones.serve("c");
  await expect.poll(() => reign.isWhole, { timeout: 20_000 }).toBe(true);
  await zones.stop("b");
  await write(reign, 40);
  await expect.poll(async () => (await reign.trim(100), reign.first)).toBeGreaterThan(80);
  await reign.close();
  const last = await untilPassed(() => store.takeOver(listener));
  const { first } = last;
  await zones.serve("b");
  await expect.poll(() => last.status().replicas[1], { timeout: 20_000 }).toMatchObject({ state: "up", lagRecords: 0 });
  expect(new Set(prepared)).toEqual(new Set(["b", "c"]));
  await zones.stop("a");
  await listener.untilCommitted(last.append(Buffer.from("by those two")));
  expect((await readTexts(last.read(first), first)).at(-1)).toBe("by those two");
  await expect(readTexts(last.read(1), 1)).rejects.toMatchObject({ code: "ERR_TRIMMED" });
  await last.close();
});
