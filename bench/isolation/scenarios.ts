/** What goes on beside the reads of one object that the isolation bench measures. */

import { join } from "node:path";

import { IDLE_PREFIX, type Resource, WRITTEN_PREFIX } from "./objects.ts";

/** How much of it there is. */
export interface Scale {
  /** Few large objects and many small ones, either about as many bytes. */
  readonly large: Resource;
  readonly small: Resource;
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

export function scenariosOf({ large, small, connections, inFlight }: Scale): Scenario[] {
  const writes = client("write.ts", connections, inFlight);
  return [
    { name: "nothing", beside: [] },
    { name: "lists, large objects", beside: [lists(large)] },
    { name: "lists, small objects", beside: [lists(small)] },
    { name: "progress, idle watch, and writes", beside: [writes, client("progress.ts", IDLE_PREFIX)] },
    { name: "progress, busy watch, and writes", beside: [writes, client("progress.ts", WRITTEN_PREFIX)] },
  ];
}

function lists({ prefix, objects, objectBytes }: Resource): Beside {
  return client("list.ts", prefix, objects * objectBytes);
}

function client(file: string, ...args: readonly (string | number)[]): Beside {
  return { script: join(import.meta.dirname, file), args: args.map(String) };
}
