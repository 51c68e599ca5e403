import { expect, it } from "vitest";

import { Fingerprint } from "../../../bench/kubernetes/fingerprint.ts";
import { intendedMsOf, makeValue, numberOf, ObjectKeys } from "../../../bench/kubernetes/objects.ts";
import { objectsOf, preloadFor, RESOURCES } from "../../../bench/kubernetes/scale.ts";

it.each(Object.values(RESOURCES))(
  "keys of $name are those of Kubernetes in length, and each is another",
  (resource) => {
    const keys = new ObjectKeys(resource);
    const seen = new Set<string>();
    for (let i = 0; i < 2_000; i++) seen.add(keys.key(i).toString("latin1"));
    expect(seen.size).toBe(2_000);
    for (const key of seen) {
      expect(key.startsWith(resource.prefix)).toBe(true);
      expect(key.length).toBeGreaterThanOrEqual(45);
      expect(key.length).toBeLessThanOrEqual(90);
    }
  },
);

it("a value tells when its write was meant to begin, and which it is", () => {
  const stored = Buffer.concat([Buffer.from("before"), makeValue(610, 1_234.5, 2 ** 40)]);
  expect(stored.length).toBe(616);
  expect(intendedMsOf(stored, 6)).toBe(1_234.5);
  expect(numberOf(stored, 6)).toBe(2 ** 40);
});

it("a fingerprint does not depend on the order, and a revision that is missing, twice or another changes it", () => {
  const of = (...revisions: number[]): Fingerprint => {
    const fingerprint = new Fingerprint();
    for (const revision of revisions) fingerprint.add(revision);
    return fingerprint;
  };
  expect(of(5, 2 ** 40, 7)).toEqual(of(7, 5, 2 ** 40));
  const all = of(5, 6, 7);
  for (const other of [of(5, 6), of(5, 6, 7, 7), of(5, 6, 8), of(5, 5, 8)]) expect(other).not.toEqual(all);
});

it("the state of 100,000 nodes is about four million objects of nine gigabytes, and less is stored where it does not fit", () => {
  const objects = Object.values(RESOURCES).reduce((sum, resource) => sum + objectsOf(resource, 100_000, 1), 0);
  expect(objects).toBeGreaterThan(3_500_000);
  expect(objects).toBeLessThan(4_500_000);
  expect(preloadFor(100_000, 9e9)).toBeGreaterThan(0.9);
  expect(preloadFor(100_000, 2e9)).toBeLessThan(0.25);
  expect(preloadFor(1_000, 9e9)).toBe(1);
  expect(objectsOf(RESOURCES.leases, 1_000, 0.1)).toBe(1_000);
  expect(objectsOf(RESOURCES.pods, 1_000, 0.1)).toBe(900);
});
