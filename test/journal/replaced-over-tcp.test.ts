/** A replica at an address that has lost its directory while the writer goes on. */
import { afterEach, expect, test } from "vitest";
import { RecordingListener } from "../sim/recording-listener.ts";
import { KIND_CONFIGURATION } from "../../journal/frame.ts";
import { readTexts } from "./journal-contract.ts";
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
