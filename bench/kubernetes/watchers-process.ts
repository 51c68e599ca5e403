/** The process of the watches of one server. */

import type { Run } from "./callers.ts";
import { serveCommands } from "./commands.ts";
import { Watchers } from "./watchers.ts";

let watchers: Watchers | null = null;

function connected(): Watchers {
  if (watchers === null) throw new Error("not connected");
  return watchers;
}

const handlers = {
  connect: (url: string): void => {
    watchers = new Watchers(url);
  },
  open: (revision: number) => connected().open(revision),
  run: (run: Run) => connected().run(run),
  finish: (revision: number) => connected().finish(revision),
};

export type WatchersCommands = typeof handlers;

serveCommands(handlers);
