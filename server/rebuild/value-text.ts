/** A value as a terminal may show it. */

/** Text is shown as it is; of bytes that are none, which most objects of Kubernetes are, what is text among them. */
export function textOfValue(value: Buffer): string {
  // eslint-disable-next-line no-control-regex -- They are what must not reach a terminal.
  return value.toString("utf8").replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\ufffd]+/g, "\u00b7");
}
