/** What README and docs tell people to type: each on a store in which nothing was written yet. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { parseConfig } from "../../server/config/config.ts";
import { parseReplicaConfig } from "../../server/config/replica-config.ts";
import { etcdctl } from "../support/etcdctl.ts";
import { startPlinth } from "../support/plinth-process.ts";
import { describeStores } from "../support/stores.ts";

const root = path.join(import.meta.dirname, "..", "..");
const pages = ["README.md", ...readdirSync(path.join(root, "docs")).map((name) => path.join("docs", name))].filter(
  (page) => page.endsWith(".md"),
);

/** The lines of all blocks of commands: of those with a prompt the ones that have it. */
const commandLines = pages.flatMap((page) => {
  const text = readFileSync(path.join(root, page), "utf8");
  return [...text.matchAll(/^```(sh|console)\n(.*?)^```$/gms)].flatMap(([, kind, block]) => {
    const lines = block.trimEnd().split("\n");
    if (kind === "sh") return lines;
    return lines.filter((line) => line.startsWith("$ ")).map((line) => line.slice(2));
  });
});

/** The commands of each line, without comments. */
const chains = commandLines.map((line) => line.replace(/ +#.*$/, "").split(" && "));

const isEtcdctl = (chain: readonly string[]): boolean => chain[0].startsWith("etcdctl ");
const START = /^(?:plinth|npx \.|npm start --|node server\/main\.ts)(?: serve)?(?= -|$)/;
const REPLICA = /^plinth replica /;
const LOOK = /^plinth journal /;

/** `etcdctl user add` asks for a password, twice. */
const TYPED = "secret\nsecret\n";

describeStores("documented commands", (start) => {
  const typed = chains.filter(isEtcdctl);
  test.each(typed.map((chain) => chain.join(" && ")))("%s", async (line) => {
    const store = await start([]);
    // Some of them write a file.
    const folder = mkdtempSync(path.join(tmpdir(), "plinth-documented-"));
    try {
      for (const command of line.split(" && ")) {
        const { code } = await etcdctl(store.url, command.split(" ").slice(1), TYPED, folder);
        expect([command, code]).toEqual([command, 0]);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
      await store.remove();
    }
  });
});

test("the commands were found, among them those that start the server", () => {
  expect(chains.filter(isEtcdctl).length).toBeGreaterThan(3);
  expect(chains.flat().filter((command) => START.test(command)).length).toBeGreaterThan(0);
});

test.each(chains.flat().filter((command) => START.test(command)))(
  "%s: the flags are such that can be given",
  (command) => {
    const args = command.replace(START, "").trim().split(" ").filter(Boolean);
    expect(parseConfig(args, {})).not.toMatchObject({ kind: "error" });
  },
);

test.each(chains.flat().filter((command) => REPLICA.test(command)))("%s: so can those of a replica", (command) => {
  expect(parseReplicaConfig(command.split(" ").slice(2))).not.toMatchObject({ kind: "error" });
});

test("a journal is looked into as it is told", async () => {
  const looks = chains.flat().filter((command) => LOOK.test(command));
  expect(looks.length).toBeGreaterThan(0);
  const plinth = await startPlinth();
  onTestFinished(() => plinth.remove());
  await plinth.stop();
  for (const command of looks) {
    const there = command.replace("default.plinth", plinth.dataDir);
    const { status } = spawnSync(there.replace(/^plinth/, path.join(root, "bin", "plinth")), { shell: true });
    expect([command, status]).toEqual([command, 0]);
  }
});

test("a server is asked for its status as it is told", async () => {
  const asks = chains.flat().filter((command) => command.startsWith("plinth status"));
  expect(asks.length).toBeGreaterThan(0);
  const plinth = await startPlinth();
  onTestFinished(() => plinth.remove());
  for (const command of asks) {
    const [, ...args] = command.replace("http://127.0.0.1:2379", plinth.url).split(" ");
    const { status } = spawnSync(path.join(root, "bin", "plinth"), args);
    expect([command, status]).toEqual([command, 0]);
  }
});

test("each npm script that is told of is there", () => {
  const { scripts } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as { scripts: object };
  const named = chains.flat().flatMap((command) => /^npm (?:run )?(\S+)/.exec(command)?.[1] ?? []);
  expect(named.filter((name) => name !== "install" && !Object.hasOwn(scripts, name))).toEqual([]);
});
