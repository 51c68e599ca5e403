import { expect, it } from "vitest";

import { Fingerprint } from "../../../bench/kubernetes/fingerprint.ts";
import { intendedMsOf, makeValue, numberOf, ObjectKeys } from "../../../bench/kubernetes/objects.ts";
import { objectsOf, preloadFor, type Resource, RESOURCES } from "../../../bench/kubernetes/scale.ts";

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

/** The objects of all resources, and the bytes of their values. */
function stateOf(nodes: number, preload: number): { objects: number; bytes: number } {
  let [objects, bytes] = [0, 0];
  for (const resource of Object.values<Resource>(RESOURCES)) {
    const count = objectsOf(resource, nodes, preload);
    objects += count;
    for (let i = 0; i < count; i++) bytes += resource.bytes(i);
  }
  return { objects, bytes };
}

it("the state of 100,000 nodes is about four million objects of less than ten gigabytes", () => {
  const { objects, bytes } = stateOf(10_000, 1);
  expect(Math.round(objects / 50_000)).toBe(8);
  expect(bytes).toBeGreaterThan(9e8);
  expect(bytes).toBeLessThan(10e8);
});

it("where the state does not fit less is stored, but for each node itself and its lease", () => {
  expect(preloadFor(1_000, 9e9)).toBe(1);
  const preload = preloadFor(10_000, 2e8);
  expect(stateOf(10_000, preload).bytes).toBeGreaterThan(1.9e8);
  expect(stateOf(10_000, preload).bytes).toBeLessThan(2.1e8);
  expect(objectsOf(RESOURCES.leases, 10_000, preload)).toBe(10_000);
  expect(objectsOf(RESOURCES.pods, 10_000, preload)).toBeLessThan(90_000);
  expect(preloadFor(100_000, 1e8)).toBeGreaterThan(0);
});
