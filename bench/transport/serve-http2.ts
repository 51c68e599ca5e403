/** The least gRPC server on node:http2: one method, a constant answer, no checks. */

import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";

import { announce, REPLY } from "./answer.ts";

const framed = Buffer.concat([Buffer.alloc(5), REPLY]);
framed.writeUInt32BE(REPLY.length, 1);

const server = createServer();
server.on("stream", (stream) => {
  stream.resume();
  stream.on("end", () => {
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(framed);
  });
});
server.listen(0, "127.0.0.1", () => announce((server.address() as AddressInfo).port));
