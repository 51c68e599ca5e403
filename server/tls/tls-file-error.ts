/** A file of TLS that cannot be used: why, and nothing of what is in it. */
export class TlsFileError extends Error {
  readonly code = "ERR_TLS_FILE";

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "TlsFileError";
  }
}
