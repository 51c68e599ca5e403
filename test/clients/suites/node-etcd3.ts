/** The client for Node. Its package comes without tests, so a program of ours uses what it offers. */
import { copyFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { command, commandThatMust } from "../command.ts";
import { outcomesOf, tapOutcomes } from "../outcomes.ts";
import type { Suite } from "../suite.ts";
import { makeCertificates, PROGRAMS, SECURE_ADDRESS, secureFlags } from "./secure.ts";

const VERSION = "1.1.2";

export const nodeEtcd3: Suite = {
  name: "node-etcd3",
  version: `etcd3 ${VERSION} (npm)`,
  tests: "ours",
  tools: ["npm", "openssl"],
  flags: secureFlags,
  leftOut: [],
  prepare: async (folder) => {
    await commandThatMust(["npm", "init", "--yes"], { folder });
    await commandThatMust(["npm", "install", "--no-audit", "--no-fund", `etcd3@${VERSION}`], { folder });
    await makeCertificates(folder);
  },
  run: async (folder, store, log) => {
    // Beside the package, where it is found.
    const program = path.join(folder, "node-etcd3.mjs");
    await copyFile(path.join(PROGRAMS, "node-etcd3.mjs"), program);
    const words = [process.execPath, program, `127.0.0.1:${store.port}`, SECURE_ADDRESS, folder];
    const { succeeded, output } = await command(words, { folder, log });
    return outcomesOf(succeeded, tapOutcomes(output));
  },
};
