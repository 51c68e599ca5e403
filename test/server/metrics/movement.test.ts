import { expect, test } from "vitest";
import { MetricSet } from "../../../server/metrics/metric-set.ts";
import { BucketRecorder } from "../../../server/metrics/bucket-recorder.ts";
import type { Exposition } from "./exposition.ts";
import { parseExposition } from "./exposition.ts";
import { exportedNames, movedNames, movedSeries } from "./movement.ts";

test("what is the same in every scrape has not moved, however it is named and whatever it is", async () => {
  const set = new MetricSet();
  let n = 0;
  const labels = ["who"];
  const [moving, still] = [new BucketRecorder([1]), new BucketRecorder([1])];
  set.counter("x_total", "Always 7.", () => 7);
  set.counter("x_total_count", "Moves.", () => n);
  set.gauge("x", "Goes up and comes back.", () => n % 2);
  set.histogram("h", "Moves.", moving);
  set.histogram("h_still", "Never observes.", still);
  set.labelledGauge("appears", "Has a sample now and then.", labels, (report) => n === 1 && report(["a"], 1));
  set.labelledCounter("some", "Only b moves.", labels, (report) => {
    report(["a"], 1);
    report(["b"], n);
  });
  const scrapes: Exposition[] = [];
  for (n = 0; n < 3; n++) {
    scrapes.push(parseExposition(await set.text()));
    moving.observe(0.5);
  }
  const moved = movedNames(scrapes);
  expect([...exportedNames(scrapes)].filter((name) => !moved.has(name))).toEqual(["x_total", "h_still"]);
  expect([...movedSeries(scrapes, "some")]).toEqual(['some{who="b"}']);
});
