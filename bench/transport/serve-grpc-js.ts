/** @grpc/grpc-js with one method that answers a constant. */

import { Server, ServerCredentials } from "@grpc/grpc-js";

import { announce, RANGE_PATH, REPLY } from "./answer.ts";

const server = new Server();
server.addService(
  {
    range: {
      path: RANGE_PATH,
      requestStream: false,
      responseStream: false,
      requestSerialize: (message: Buffer) => message,
      requestDeserialize: (bytes: Buffer) => bytes,
      responseSerialize: (message: Buffer) => message,
      responseDeserialize: (bytes: Buffer) => bytes,
    },
  },
  { range: (_call: unknown, callback: (error: null, reply: Buffer) => void) => callback(null, REPLY) },
);
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  announce(port);
});
