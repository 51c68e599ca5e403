/** docs/rules.md explains the ids in the names of tests: each rule there has a test, and each id in a name is there. */
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";

const root = path.join(import.meta.dirname, "..", "..");
const page = readFileSync(path.join(root, "docs", "rules.md"), "utf8");
const plinthAloneHeading = "## Tested on Plinth alone";

/** An id: of a rule, of a section without numbered rules, or of a request of kube-apiserver. */
const ID = /(?<![\w§-])(?:[A-Z]{2}-\d{2}|A\d{1,2}|§\d+(?:\.\d+)?)(?!\w|\.\d)/g;
const ROW = /^\| (\S+) \| .+\. +\|$/gm;
const COMMENT = /^\s*(?:\/\/|\/?\*).*$/gm;
/** A string on one line. Names of tests are among them, and ids are in no others. */
const STRING = /(["`])((?:(?!\1|\n).)+)\1/g;

function rulesOf(text: string): string[] {
  return [...text.matchAll(ROW)].map(([, id]) => id).filter((id) => id.match(ID)?.[0] === id);
}

/** The ids in the names of the tests of all files, or of those that run on both servers. */
function idsInNames(isOnBoth: boolean): Set<string> {
  const ids = new Set<string>();
  for (const file of globSync("test/**/*.test.ts", { cwd: root })) {
    const source = readFileSync(path.join(root, file), "utf8");
    if (isOnBoth && !source.includes("describeStores(")) continue;
    for (const [, , text] of source.replace(COMMENT, "").matchAll(STRING)) {
      for (const [id] of text.matchAll(ID)) ids.add(id);
    }
  }
  return ids;
}

const [rulesOfBoth, rulesOfPlinth] = page.split(plinthAloneHeading).map(rulesOf);

test("every rule has a test that runs on Plinth and on etcd, and the last few one on Plinth", () => {
  const onBoth = idsInNames(true);
  expect(rulesOfBoth.length).toBeGreaterThan(150);
  expect(rulesOfBoth.filter((id) => !onBoth.has(id))).toEqual([]);
  const anywhere = idsInNames(false);
  expect(rulesOfPlinth.length).toBeGreaterThan(0);
  expect(rulesOfPlinth.filter((id) => onBoth.has(id) || !anywhere.has(id))).toEqual([]);
});

test("every id in the name of a test is a rule of the page, which has each once", () => {
  const rules = [...rulesOfBoth, ...rulesOfPlinth];
  const known = new Set(rules);
  expect(rules.length).toBe(known.size);
  expect([...idsInNames(false)].filter((id) => !known.has(id))).toEqual([]);
});
