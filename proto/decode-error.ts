/** The bytes are no message of the wanted type. `message` says what is wrong with them; it quotes none of them. */
export class DecodeError extends Error {
  readonly code = "ERR_DECODE";

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "DecodeError";
  }
}

/** A txn has more operations or compares than are allowed. Nothing is said of what comes behind them. */
export class TooManyOpsError extends DecodeError {
  constructor() {
    super("too many operations");
    this.name = "TooManyOpsError";
  }
}
