/** The control's replica: writes each frame that comes over a socket to a file, and says so when it is durable. */

import { createServer, type AddressInfo } from "node:net";

import { DURABLE, openFrameFile } from "./frame-writer.ts";
import { FRAME_BYTES_MAX } from "../../journal/frame.ts";

const file = await openFrameFile(process.argv[2]);
const server = createServer({ noDelay: true }, (socket) => {
  const bytes = Buffer.allocUnsafeSlow(Math.min(FRAME_BYTES_MAX, 2 * 1024 * 1024));
  let filled = 0;
  socket.on("data", (chunk) => {
    filled += chunk.copy(bytes, filled);
    // One frame comes at a time.
    const length = filled < 4 ? Infinity : bytes.readUInt32LE(0);
    if (filled < length) return;
    filled = 0;
    file.write(bytes.subarray(0, length), () => socket.write(DURABLE));
  });
});
server.listen(0, "127.0.0.1", () => console.log(`listening ${(server.address() as AddressInfo).port}`));
