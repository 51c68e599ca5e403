/** A replica's server as a process of its own: says its port, and that everything is durable. */
import { answerAtOnce, ToldServer } from "./tcp-pair.ts";

const port = Number(process.argv[2] ?? "0");
const server = await ToldServer.listen({ port, replica: { handle: answerAtOnce } });
process.stdout.write(`${server.port}\n`);
