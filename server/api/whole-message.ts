/** A message in parts as a client has it: for who calls a service without a transport. */
import type { MessageParts } from "../transport/service.ts";

export function wholeOf(parts: MessageParts, length: number): Buffer {
  const pieces = parts.flat().map((part) => {
    if (part instanceof Uint8Array) return part;
    const made = Buffer.alloc(part.length);
    part.read(made, 0, part.length);
    return made;
  });
  const message = Buffer.concat(pieces);
  if (message.length !== length) throw new Error("the length of a message is that of its parts");
  return message;
}
