import { beforeEach, expect, test } from "vitest";
import { shareScrape } from "../../../server/http/shared-scrape.ts";
import { ManualClock } from "../../sim/manual-clock.ts";

let clock: ManualClock;
/** Those that were begun, in order. */
let texts: PromiseWithResolvers<string>[];
let scrape: () => Promise<Buffer>;

beforeEach(() => {
  clock = new ManualClock();
  texts = [];
  scrape = shareScrape(() => {
    const text = Promise.withResolvers<string>();
    texts.push(text);
    return text.promise;
  }, clock);
});

const textOf = async (asked: Promise<Buffer>): Promise<string> => String(await asked);

test("who asks while a text is being made gets the next one, as do all others who ask before that is begun", async () => {
  const first = scrape();
  await clock.advance(0);
  const waiting = [scrape(), scrape()];
  await clock.advance(3);
  expect(texts).toHaveLength(1);

  texts[0].resolve("one");
  expect(await textOf(first)).toBe("one");
  await clock.advance(29);
  waiting.push(scrape());
  expect(texts).toHaveLength(1);
  await clock.advance(1);
  expect(texts).toHaveLength(2);

  texts[1].resolve("two");
  expect(await Promise.all(waiting.map(textOf))).toEqual(["two", "two", "two"]);
});

test("a text is begun at once when the last one was made a while ago", async () => {
  void scrape();
  await clock.advance(0);
  texts[0].resolve("one");
  await clock.advance(100);
  const second = scrape();
  await clock.advance(0);
  texts[1].resolve("two");
  expect(await textOf(second)).toBe("two");
});

test("a failure is for those who wait for it alone", async () => {
  const failed = scrape();
  await clock.advance(0);
  texts[0].reject(new Error("no numbers"));
  await expect(failed).rejects.toThrow("no numbers");
  const next = scrape();
  await clock.advance(100);
  texts[1].resolve("numbers");
  expect(await textOf(next)).toBe("numbers");
});
