/** A journal that is formed on replicas in other processes, whatever cuts it short, and however many form it. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { RecordingListener } from "../sim/recording-listener.ts";
import { seededRandom } from "../sim/simulated-disk.ts";
import { ZoneDisks } from "../sim/zone-disks.ts";
import { readTexts } from "./journal-contract.ts";
import type { TcpStore } from "./tcp-zones.ts";
import { openLog } from "./replica/directory-logs.ts";
import { NAMES, TcpZones, untilPassed } from "./tcp-zones.ts";

/** Many journals are formed. */
const LONG = { timeout: 120_000 };

let opened: TcpZones[] = [];
afterEach(async () => {
  for (const zones of opened) await zones.close();
  opened = [];
});

async function start(...args: Parameters<typeof TcpZones.start>): Promise<TcpZones> {
  const zones = await TcpZones.start(...args);
  opened.push(zones);
  return zones;
}

/** The journal serves, and all of its replicas that are served know the same ones. */
async function expectWhole(zones: TcpZones, store: TcpStore): Promise<void> {
  const listener = new RecordingListener();
  const journal = await untilPassed(() => store.takeOver(listener));
  const position = journal.append(Buffer.from("written"));
  await listener.untilCommitted(position);
  expect((await readTexts(journal.read(1), 1)).at(-1)).toBe("written");
  await journal.close();
  const told = [...zones.services.values()].map(({ status }) => status);
  for (const { state, clusterId, members } of told) {
    expect(state).toBe("formed");
    expect(clusterId).toBe(store.clusterId);
    expect(members).toEqual(told[0].members);
    expect(members.map(({ zone }) => zone)).toEqual(NAMES);
  }
}

describe("a journal on replicas over TCP", () => {
  test("is formed on blank ones, which promise nothing before, and is found again", async () => {
    const zones = await start(1);
    expect(zones.at("a").status).toMatchObject({ state: "blank", clusterId: "" });
    const asked = new Promise((resolve) => {
      zones.at("a").handle({ kind: "make", seq: 1, clusterId: "ab".repeat(16), salt: 5 }, resolve);
    });
    expect(await asked).toMatchObject({ kind: "described", clusterId: "ab".repeat(16), members: [] });
    expect(zones.at("a").status.state).toBe("made");
    const promised = new Promise((resolve) => {
      zones
        .at("a")
        .handle({ kind: "promise", seq: 2, epoch: 1, writer: 1, name: "", committed: { index: 0, epoch: 0 } }, resolve);
    });
    expect(await promised).toMatchObject({
      kind: "failed",
      reason: expect.stringMatching(/^not one of those that decide/),
    });
    const store = await zones.open();
    expect(store.clusterId).toBe("ab".repeat(16));
    await expectWhole(zones, store);
    const again = await zones.open({ clusterId: store.clusterId, mustExist: true });
    await expectWhole(zones, again);
  });

  test("waits for all of its replicas, says for which, and goes on by itself when they come", async () => {
    const zones = await start(2);
    await zones.stop("b");
    const waiting = Promise.withResolvers<string>();
    const opening = zones.open({
      onWaiting: ({ message }) => /ECONNREFUSED/.test(message) && waiting.resolve(message),
    });
    expect(await waiting.promise).toMatch(
      /^the journal is formed when all its replicas are there: .*tcp:.*ECONNREFUSED/,
    );
    expect(zones.at("a").status.state).toBe("blank");
    await zones.serve("b");
    await expectWhole(zones, await opening);
  });

  // Of three makes and three lists.
  test.each([1, 2, 3, 4, 5, 6])("is gone on with by another when its former dies at step %i", async (step) => {
    for (const isDone of [false, true]) {
      const zones = await start(10 * step);
      const controller = new AbortController();
      const died = Promise.withResolvers<void>();
      let steps = 0;
      for (const zone of NAMES) {
        const service = zones.at(zone);
        const handle = service.handle.bind(service);
        service.handle = (request, answer) => {
          const isStep = request.kind === "make" || request.kind === "list";
          if (!isStep || ++steps !== step) return handle(request, answer);
          // What it asked for is done or not, and it never hears of it.
          if (isDone) handle(request, () => died.resolve());
          else died.resolve();
        };
      }
      const first = zones.open({ signal: controller.signal });
      await died.promise;
      controller.abort();
      await expect(first).rejects.toMatchObject({ code: "ERR_JOURNAL_CLOSED" });
      await expectWhole(zones, await zones.open());
    }
  });

  test("is made whole however often a power failure cuts one of its replicas short", LONG, async () => {
    let cuts = 0;
    for (const [i, zone] of NAMES.entries()) {
      // Each zone goes through the same steps.
      for (let after = 1 + i; ; after += NAMES.length) {
        const disk = ZoneDisks.of(NAMES, 100 + after);
        const zones = await TcpZones.on(disk);
        disk.at(zone).crashAfter(after);
        const controller = new AbortController();
        const opening = zones.open({ signal: controller.signal });
        const isWhole = await Promise.race([opening.then(() => true), disk.at(zone).crashed.then(() => false)]);
        disk.at(zone).crashAfter(Number.POSITIVE_INFINITY);
        if (isWhole) {
          await zones.close();
          break;
        }
        cuts++;
        controller.abort();
        await opening.catch(() => undefined);
        // What is at a disk without power never ends.
        void zones.close();
        const again = await TcpZones.on(disk.restart());
        await expectWhole(again, await again.open());
        await again.close();
      }
    }
    expect(cuts).toBeGreaterThan(10);
  });

  test("is one, whoever forms it at the same time and is cut short meanwhile", LONG, async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = seededRandom(seed);
      const zones = await start(1000 + seed);
      for (const zone of NAMES) {
        const service = zones.at(zone);
        const handle = service.handle.bind(service);
        service.handle = (request, answer) => {
          if (request.kind !== "make" && request.kind !== "list") return handle(request, answer);
          void sleep(random() * 8).then(() =>
            handle(request, (given) => void sleep(random() * 8).then(() => answer(given))),
          );
        };
      }
      const formers = [0, 1, 2].map(async (i) => {
        const controller = new AbortController();
        await sleep(random() * 10);
        if (i > 0 && random() < 0.7) void sleep(random() * 60).then(() => controller.abort());
        return zones.open({ signal: controller.signal }).catch((error: unknown) => {
          expect(error, `seed ${seed}`).toMatchObject({ code: "ERR_JOURNAL_CLOSED" });
          return null;
        });
      });
      const stores = (await Promise.all(formers)).filter((store) => store !== null);
      expect(new Set(stores.map(({ clusterId }) => clusterId)).size, `seed ${seed}`).toBe(1);
      await expectWhole(zones, stores[0]);
      await zones.close();
    }
  });
});

describe("a journal on a directory and replicas over TCP", () => {
  test("is formed and found as any", async () => {
    const zones = await start(3, ["b", "c"]);
    const store = await zones.open();
    await expectWhole(zones, store);
    expect(zones.at("b").status.members[0].zone).toBe("a");
    await store.close();
    const again = await zones.open({ clusterId: store.clusterId, mustExist: true });
    await expectWhole(zones, again);
    await again.close();
    // It was asked for no lease, which the next start would have to wait for.
    const log = await openLog(zones.disk, { directory: "/a" });
    expect(log.facts).toMatchObject({ leaseMsMax: 0, promised: 2 });
    await log.close();
  });

  test("is not formed by two whose directories are not the same one", async () => {
    const zones = await start(4, ["b", "c"]);
    const disks = [zones.disk, ZoneDisks.of(NAMES, 5)];
    const opening = disks.map((disk) => zones.open({ disk }));
    const first = await Promise.any(opening);
    await expectWhole(zones, first);
    // The one that comes late finds the other's journal, or that it has made its directory for another.
    for (const late of opening) {
      const found = await late.catch((error: unknown) => error);
      if (found instanceof Error) expect(found).toMatchObject({ code: "ERR_JOURNAL_REPLICAS" });
      else expect(found).toMatchObject({ clusterId: first.clusterId });
    }
  });
});
