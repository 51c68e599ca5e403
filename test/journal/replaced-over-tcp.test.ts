/** A replica at an address that has lost its directory while the writer goes on. */
import { afterEach, expect, test } from "vitest";
import { RecordingListener } from "../sim/recording-listener.ts";
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
