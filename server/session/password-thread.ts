/** The thread that works on passwords (hasher.ts), in the order in which they are asked for. */
import { parentPort } from "node:worker_threads";
import { bcryptHash, bcryptMatches } from "./bcrypt.ts";
import type { HashOrder } from "./hasher.ts";

parentPort?.on("message", (order: HashOrder) => {
  void answer(order);
});

async function answer(order: HashOrder): Promise<void> {
  const { kind, password } = order;
  const done = kind === "hash" ? bcryptHash(password, order.cost) : bcryptMatches(password, order.hash);
  parentPort?.postMessage(await done, []);
}
