/** Why a file cannot be read: it is no bbolt file, or a damaged one. The text names the place. */
export class BoltError extends Error {
  readonly code = "BOLT_DAMAGED";
}
