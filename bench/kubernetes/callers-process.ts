/** The process of the callers of one server. */

import { Callers, type Run, type State } from "./callers.ts";
import { serveCommands } from "./commands.ts";

let callers: Callers | null = null;

function connected(): Callers {
  if (callers === null) throw new Error("not connected");
  return callers;
}

const handlers = {
  connect: async (url: string): Promise<void> => {
    callers = await Callers.connect(url);
  },
  store: (state: State) => connected().store(state),
  run: (run: Run) => connected().run(run),
  verify: () => connected().verify(),
};

export type CallersCommands = typeof handlers;

serveCommands(handlers);
