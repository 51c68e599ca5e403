/** What goes on beside the reads of one object that the isolation bench measures. */

import { join } from "node:path";

import { IDLE_PREFIX, LISTED_PREFIX, OBJECT_BYTES, WRITTEN_PREFIX } from "./objects.ts";

/** How much of it there is. */
export interface Scale {
  /** Objects in the list. */
  readonly objects: number;
  readonly connections: number;
  readonly inFlight: number;
}

/** A client in a process of its own: the script and what it is told besides the URL. */
export interface Beside {
  readonly script: string;
  readonly args: readonly string[];
}

export interface Scenario {
  readonly name: string;
  readonly beside: readonly Beside[];
}

export function scenariosOf({ objects, connections, inFlight }: Scale): Scenario[] {
  const lists = client("list.ts", LISTED_PREFIX, objects * OBJECT_BYTES);
  const writes = client("write.ts", connections, inFlight);
  return [
    { name: "nothing", beside: [] },
    { name: "lists", beside: [lists] },
    { name: "progress, idle watch, and writes", beside: [writes, client("progress.ts", IDLE_PREFIX)] },
    { name: "progress, busy watch, and writes", beside: [writes, client("progress.ts", WRITTEN_PREFIX)] },
  ];
}

function client(file: string, ...args: readonly (string | number)[]): Beside {
  return { script: join(import.meta.dirname, file), args: args.map(String) };
}
