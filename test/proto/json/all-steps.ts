/** Does all steps of a work at once. @returns its result */
export function allSteps<Result>(work: Generator<void, Result>): Result {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}
