/** Makes a failing sequence of commands short, by leaving out ever smaller parts of it (delta debugging). */

export interface Budget {
  readonly attemptsMax: number;
  readonly millisecondsMax: number;
}

/**
 * Gives the shortest sequence found whose run still fails, or null when the whole one does not fail again: then the reason
 * lies in what came before it.
 *
 * @param fails runs a sequence on servers of its own and tells whether they differ
 */
export async function minimise<Command>(
  commands: readonly Command[],
  fails: (commands: readonly Command[]) => Promise<boolean>,
  { attemptsMax, millisecondsMax }: Budget,
): Promise<readonly Command[] | null> {
  const deadline = performance.now() + millisecondsMax;
  if (!(await fails(commands))) return null;
  let shortest = commands;
  let attempts = 1;
  let length = Math.ceil(commands.length / 2);
  for (;;) {
    let isShorter = false;
    for (let first = 0; first < shortest.length;) {
      if (attempts >= attemptsMax || performance.now() > deadline) return shortest;
      attempts++;
      const candidate = [...shortest.slice(0, first), ...shortest.slice(first + length)];
      if (await fails(candidate)) {
        shortest = candidate;
        isShorter = true;
      } else {
        first += length;
      }
    }
    if (length > 1) length = Math.ceil(length / 2);
    else if (!isShorter) return shortest;
  }
}
