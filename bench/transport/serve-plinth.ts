/** Our transport with one method that answers a constant. */

import { GrpcServer } from "../../server/transport/grpc-server.ts";
import { announce, RANGE_PATH, REPLY } from "./answer.ts";

const server = new GrpcServer({
  methods: [{ kind: "unary", path: RANGE_PATH, handle: (call) => call.reply(REPLY) }],
  http: (_request, response) => void response.writeHead(404).end(),
});
const { port } = await server.listen({ host: "127.0.0.1", port: 0 });
announce(port ?? 0);
