/** Why nothing was made: for the person who has asked. */
export class RebuildError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "RebuildError";
  }
}
