/** The text is no JSON, or no JSON of the wanted message. `message` is what Go's libraries say of it, position included. */
export class JsonError extends Error {
  readonly code = "ERR_JSON";

  constructor(message: string) {
    super(message);
    this.name = "JsonError";
  }
}
