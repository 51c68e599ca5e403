/** Time between two calls, for runs that last: their clients go at a pace. Tests await events instead. */
export function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
