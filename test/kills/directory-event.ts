/** Waits for what a server does in its directories: a kill is aimed at it. */
import { type FSWatcher, watch } from "node:fs";

/**
 * Resolves with true as soon as a file whose name matches comes or goes in one of the directories, and with false when none
 * does for so long.
 */
export async function directoryEvent(
  directories: readonly string[],
  matches: RegExp,
  millisecondsMax: number,
): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const watchers: FSWatcher[] = directories.map((directory) =>
    watch(directory, (kind, name) => {
      if (kind === "rename" && matches.test(name ?? "")) resolve(true);
    }),
  );
  const late = setTimeout(resolve, millisecondsMax, false);
  try {
    return await promise;
  } finally {
    clearTimeout(late);
    for (const watcher of watchers) watcher.close();
  }
}
