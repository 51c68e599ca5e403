/** Links between a server and its replicas that are slow, narrow, silent or cut in the midst of a message. Needs no rights. */
import { delay } from "../../support/delay.ts";
import type { Fault } from "../fault.ts";
import type { Manner, Proxy } from "../proxy.ts";
import { FREELY } from "../proxy.ts";
import { startOnProcesses } from "../stores.ts";
import type { TestedStore } from "../tested-store.ts";
import { readsAreRefused, readsGoOn, writesStop } from "../without-majority.ts";

const LASTS_MS = 3_000;
const CUTS = 20;

type Proxies = (...zones: string[]) => readonly Proxy[];

interface Kind {
  readonly name: string;
  readonly losesCalls: boolean;
  readonly isShort?: boolean;
  strike(proxiesOf: Proxies, store: TestedStore): Promise<void>;
}

function fault({ name, losesCalls, isShort = false, strike }: Kind): Fault {
  return {
    name,
    losesCalls,
    isShort,
    whyNot: () => null,
    async prepare(folder) {
      const { store, proxies } = await startOnProcesses(folder, { servers: 1, isProxied: true });
      const proxiesOf: Proxies = (...zones) => {
        return [...proxies]
          .filter(([link]) => zones.some((zone) => link.endsWith(` ${zone}`)))
          .map(([, proxy]) => proxy);
      };
      return {
        store,
        strike: () => strike(proxiesOf, store),
        remove() {
          for (const proxy of proxies.values()) proxy.close();
        },
      };
    },
  };
}

/** Links behave so for a while. */
async function behave(proxies: readonly Proxy[], manner: Partial<Manner>): Promise<void> {
  for (const proxy of proxies) proxy.manner = { ...FREELY, ...manner };
  await delay(LASTS_MS);
  for (const proxy of proxies) proxy.manner = FREELY;
}

export const LINK_FAULTS: readonly Fault[] = [
  fault({
    name: "the link to one replica is slower by 100 ms",
    losesCalls: false,
    strike: (of) => behave(of("c"), { delayMs: 100 }),
  }),
  fault({
    name: "the links to all replicas are slower by 20 ms, and one packet in fifty is lost",
    losesCalls: false,
    strike: (of) => behave(of("a", "b", "c"), { delayMs: 20, lost: 0.02 }),
  }),
  fault({
    name: "the link to one replica takes 30 kB a second",
    losesCalls: false,
    strike: (of) => behave(of("b"), { bytesPerSecond: 30_000 }),
  }),
  fault({
    name: "the link to one replica is silent, and its connection stays",
    losesCalls: false,
    strike: (of) => behave(of("b"), { isHeldTo: true, isHeldFrom: true }),
  }),
  fault({
    name: "one replica hears the server, and is not heard",
    losesCalls: false,
    strike: (of) => behave(of("b"), { isHeldFrom: true }),
  }),
  fault({
    name: "two replicas hear the server, and are not heard",
    losesCalls: true,
    async strike(of, store) {
      for (const proxy of of("a", "b")) proxy.manner = { ...FREELY, isHeldFrom: true };
      await writesStop(store);
      await readsAreRefused(store);
      await readsGoOn(store);
      store.cured();
      for (const proxy of of("a", "b")) proxy.manner = FREELY;
    },
  }),
  fault({
    name: "links end in the midst of a message, again and again",
    losesCalls: true,
    isShort: true,
    async strike(of) {
      for (let i = 0; i < CUTS; i++) {
        for (const proxy of of(i % 3 === 0 ? "a" : "b", "c")) proxy.cutMidway();
        await delay(LASTS_MS / CUTS);
      }
    },
  }),
];
