import { execFile } from "node:child_process";
import { promisify } from "node:util";

import { expect, test } from "vitest";

import { parseConfig } from "../../../server/config/config.ts";
import { ensurePeer, goMissingReason } from "../../../bench/peers/build.ts";

const run = promisify(execFile);

/** Named in etcd's help, but etcd itself calls them undefined. */
const UNDEFINED_IN_ETCD = new Set(["discovery", "discovery-proxy"]);

test.skipIf(goMissingReason() !== null)("every flag in etcd's own help is known", async () => {
  const { stdout } = await run(await ensurePeer("etcd"), ["--help"]);
  const names = [...stdout.matchAll(/^ {2}--([a-z0-9-]+)/gm)].map((match) => match[1]);
  expect(names.length).toBeGreaterThan(100);
  const unknown = names
    .filter((name) => !UNDEFINED_IN_ETCD.has(name))
    .filter((name) => {
      const parsed = parseConfig([`--${name}=x`], {});
      return parsed.kind === "error" && parsed.message.startsWith("flag provided but not defined");
    });
  expect(unknown).toEqual([]);
});
