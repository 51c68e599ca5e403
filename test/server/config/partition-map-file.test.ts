import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { PARTITIONS_MAX } from "../../../partitions/state/partition-map.ts";
import { parsePartitionMap, readPartitionMap } from "../../../server/config/partition-map-file.ts";
import { ConfigError } from "../../../server/config/settings.ts";
import { PARTITION_ENTRIES_MAX, PARTITION_MAP_BYTES_MAX } from "../../../server/limits.ts";

function errorOf(text: string): string {
  try {
    parsePartitionMap("map.yaml", text);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return "no error";
}

const YAML = `# Events may take two gibibytes.
partitions:
  - prefix: /registry/events/
    quota: 2GiB
  - prefix: /registry/leases/
    weight: 8
    quota: 100000
rest:
  weight: 2
otherResources: true
`;

const SETTINGS = {
  entries: [
    { prefix: "/registry/events/", quotaBytes: 2 ** 31, weight: 1 },
    { prefix: "/registry/leases/", quotaBytes: 100_000, weight: 8 },
  ],
  restWeight: 2,
  otherResources: true,
};

describe("a partition map", () => {
  test("is YAML or JSON", () => {
    expect(parsePartitionMap("map.yaml", YAML)).toEqual(SETTINGS);
    const json = {
      partitions: [
        { prefix: "/registry/events/", quota: 2 ** 31 },
        { prefix: "/registry/leases/", quota: "100000", weight: 8 },
      ],
      rest: { weight: 2 },
      otherResources: true,
    };
    expect(parsePartitionMap("map.json", JSON.stringify(json))).toEqual(SETTINGS);
    expect(parsePartitionMap("map.json", JSON.stringify(json, null, "\t"))).toEqual(SETTINGS);
  });

  test("leaves all other keys to the rest unless it says otherwise", () => {
    const text = "partitions: [{prefix: /registry/pods/}]";
    expect(parsePartitionMap("map", text)).toEqual({
      entries: [{ prefix: "/registry/pods/", quotaBytes: null, weight: 1 }],
      restWeight: 1,
      otherResources: false,
    });
  });

  test("gives prefixes as bytes of UTF-8", () => {
    const { entries } = parsePartitionMap("map", 'partitions: [{prefix: "/ü/"}]');
    expect(Buffer.from(entries[0].prefix, "latin1").toString()).toBe("/ü/");
  });

  test("has fewer entries than there may be partitions", () => {
    expect(PARTITION_ENTRIES_MAX).toBeLessThan(PARTITIONS_MAX);
    const entries = Array.from({ length: PARTITION_ENTRIES_MAX }, (_, i) => ({ prefix: `/${i}/` }));
    expect(parsePartitionMap("map", JSON.stringify({ partitions: entries })).entries).toHaveLength(1_000);
    const more = JSON.stringify({ partitions: [...entries, { prefix: "/more/" }] });
    expect(errorOf(more)).toBe("partition map map.yaml, line 1: there are at most 1000 partitions");
  });

  test("is read from a file of bounded size", async () => {
    const path = join(await mkdtemp(join(tmpdir(), "partition-map-")), "map.yaml");
    await writeFile(path, YAML);
    expect(await readPartitionMap(path)).toEqual(SETTINGS);
    await writeFile(path, `${YAML}#${"x".repeat(PARTITION_MAP_BYTES_MAX)}`);
    await expect(readPartitionMap(path)).rejects.toThrow("has at most 1048576 bytes");
    await expect(readPartitionMap(`${path}.missing`)).rejects.toThrow("ENOENT");
  });
});

describe("what it cannot mean is refused by line:", () => {
  const PARTS = "partitions:\n  - prefix: /a/\n";
  test.each([
    ["nothing", "", 1, "a partition map has a list of partitions"],
    ["another thing", "- /a/", 1, "a partition map has a list of partitions"],
    ["no list", "rest:\n  weight: 1\n", 1, "partitions must be a list with an entry for each partition"],
    ["an empty list", "\npartitions: []", 2, "partitions must be a list with an entry for each partition"],
    ["a field without value", "partitions:\n", 1, "partitions has no value"],
    [
      "an entry that is no object",
      `${PARTS}  - /b/\n`,
      3,
      "a partition has a prefix, and may have a quota and a weight",
    ],
    ["an entry without prefix", `${PARTS}  - weight: 3\n`, 3, "prefix must be a text that is not empty"],
    ["an empty prefix", `${PARTS}  - quota: 1\n    prefix: ""\n`, 4, "prefix must be a text that is not empty"],
    ["a prefix that is a number", `${PARTS}  - prefix: 17\n`, 3, "prefix must be a text that is not empty"],
    ["an unknown field", `${PARTS}    qouta: 1\n`, 3, '"qouta" is not known here, which has prefix, quota, weight'],
    [
      "an unknown field above",
      `${PARTS}x: 1\n`,
      3,
      '"x" is not known here, which has partitions, otherResources, rest',
    ],
    ["a field twice", `${PARTS}    weight: 1\n    weight: 2\n`, 4, "Map keys must be unique"],
    [
      "no quota at all",
      `${PARTS}    quota: 0\n`,
      3,
      "quota must be 64KiB at least, in bytes or with KiB, MiB, GiB or TiB",
    ],
    ["less than an empty partition takes", `${PARTS}    quota: 63KiB\n`, 3, "quota must be 64KiB at least"],
    [
      "less than none",
      `${PARTS}    quota: -1\n`,
      3,
      "quota must be 64KiB at least, in bytes or with KiB, MiB, GiB or TiB",
    ],
    [
      "a unit of disks",
      `${PARTS}    quota: 2GB\n`,
      3,
      "quota must be 64KiB at least, in bytes or with KiB, MiB, GiB or TiB",
    ],
    [
      "more than can be counted",
      `${PARTS}    quota: 9000000TiB\n`,
      3,
      "quota must be 64KiB at least, in bytes or with KiB, MiB, GiB or TiB",
    ],
    [
      "a list for a quota",
      `${PARTS}    quota: [1]\n`,
      3,
      "quota must be 64KiB at least, in bytes or with KiB, MiB, GiB or TiB",
    ],
    ["a weight of nothing", `${PARTS}    weight: 0\n`, 3, "weight must be a whole number from 1 to 1000"],
    ["half a weight", `${PARTS}    weight: 0.5\n`, 3, "weight must be a whole number from 1 to 1000"],
    ["all the weight", `${PARTS}    weight: 1001\n`, 3, "weight must be a whole number from 1 to 1000"],
    ["a weight in words", `${PARTS}    weight: two\n`, 3, "weight must be a whole number from 1 to 1000"],
    ["a quota of the rest", `${PARTS}rest: {quota: 1}\n`, 3, '"quota" is not known here, which has weight'],
    ["perhaps", `${PARTS}otherResources: perhaps\n`, 3, "otherResources must be true or false"],
    ["the same prefix again", `${PARTS}  - prefix: /b/\n  - prefix: /a/\n`, 4, 'prefix "/a/" is that of line 2, "/a/"'],
    ["one within another", `${PARTS}  - prefix: /a/b\n`, 3, 'prefix "/a/b" overlaps with that of line 2, "/a/"'],
    ["one around another", `${PARTS}  - prefix: /\n`, 3, 'prefix "/" overlaps with that of line 2, "/a/"'],
    ["a bracket too few", `{"partitions": [\n{"prefix": "/a/"}\n`, 3, ""],
    ["two maps", `${PARTS}---\n${PARTS}`, 3, "Source contains multiple documents"],
    ["an alias", `partitions:\n  - &x {prefix: /a/}\n  - *x\n`, 3, "a partition has a prefix"],
  ])("%s", (_, text, line, reason) => {
    expect(errorOf(text)).toContain(`partition map map.yaml, line ${line}: ${reason}`);
  });
});

test("the example that comes with the server is a map", async () => {
  const { entries, otherResources } = await readPartitionMap("deploy/partitions.yaml");
  expect(entries[0]).toEqual({ prefix: "/registry/events/", quotaBytes: 2 ** 31, weight: 1 });
  expect(otherResources).toBe(true);
});
