/** A message in parts as the client would have it. */
import type { MessageParts } from "../../server/transport/service.ts";

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
