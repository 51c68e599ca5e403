/** What a client in a process of its own (load-process.ts) tells the process that has started it. */

export type Telling = { readonly kind: "at work" } | { readonly kind: "timed"; readonly milliseconds: number };

/** Who started it is gone, and nobody else would end it. */
process.once("disconnect", () => process.exit());

/** Says that what it was started for is going on. */
export function tellAtWork(): void {
  tell({ kind: "at work" });
}

/** Says how long one thing took. */
export function tellTimed(milliseconds: number): void {
  tell({ kind: "timed", milliseconds });
}

function tell(telling: Telling): void {
  process.send?.(telling);
}
