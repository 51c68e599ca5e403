/** The only server is killed, or gets no time, on replicas in its own process. */
import type { Random } from "../../guarantees/traffic/random.ts";
import { delay } from "../../support/delay.ts";
import type { Fault } from "../fault.ts";
import { startOnDirectories } from "../stores.ts";

const killed: Fault = {
  name: "the only server is killed, and started again",
  losesCalls: true,
  isShort: false,
  whyNot: () => null,
  async prepare(folder) {
    const store = await startOnDirectories(folder);
    return {
      store,
      async strike() {
        const server = store.serving;
        await store.end(server);
        await store.start(server);
      },
    };
  },
};

const frozen: Fault = {
  name: "the only server is frozen for some seconds",
  losesCalls: true,
  isShort: false,
  whyNot: () => null,
  async prepare(folder) {
    const store = await startOnDirectories(folder);
    return {
      store,
      async strike(random: Random) {
        const { pid } = store.serving.process;
        process.kill(pid, "SIGSTOP");
        await delay(random.integer(2_000, 10_000));
        process.kill(pid, "SIGCONT");
      },
    };
  },
};

export const SERVER_FAULTS: readonly Fault[] = [killed, frozen];
