/** Patroni keeps PostgreSQL's leader lock in etcd, over the JSON gateway. Its own tests mock etcd, so a program of ours uses its store. */
import path from "node:path";
import { command } from "../command.ts";
import { outcomesOf, tapOutcomes } from "../outcomes.ts";
import type { Suite } from "../suite.ts";
import { makePython, pythonOf } from "./python.ts";

const VERSION = "4.1.5";
const PROGRAM = path.join(import.meta.dirname, "..", "programs", "patroni-etcd3.py");

export const pythonPatroni: Suite = {
  name: "python-patroni",
  version: `Patroni ${VERSION}, its store etcd3 (PyPI)`,
  tests: "ours",
  tools: ["python3"],
  flags: () => [],
  leftOut: [],
  prepare: (folder) => makePython(folder, [`patroni[etcd3]==${VERSION}`, "psycopg2-binary==2.9.13"]),
  run: async (folder, store, log) => {
    const words = [pythonOf(folder), PROGRAM, `127.0.0.1:${store.port}`];
    const { succeeded, output } = await command(words, { folder, log });
    return outcomesOf(succeeded, tapOutcomes(output));
  },
};
