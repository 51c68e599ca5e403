/**
 * A network of its own for each process: namespaces joined by one that routes, so that any direction between any two can be cut
 * without either of them being told. That takes root on Linux, and `ip`.
 */
import { execFileSync } from "node:child_process";
import { randomInt } from "node:crypto";

/** Why there can be none here, or null when there can. */
export function whyNoNetwork(): string | null {
  try {
    new Network(["probe"]).remove();
    return null;
  } catch {
    return "no right to make network namespaces here, or no ip";
  }
}

/** Why packets cannot be delayed and lost in the network here, or null when they can. */
export function whyNoNetem(): string | null {
  let network: Network | null = null;
  try {
    network = new Network(["probe"]);
    network.disturb("probe", "delay 1ms");
    return null;
  } catch {
    return "the kernel has no netem, or there can be no network namespaces";
  } finally {
    network?.remove();
  }
}

export class Network {
  readonly #names: readonly string[];
  readonly #id = randomInt(2 ** 24).toString(36);
  /** Of the addresses. */
  readonly #octet = randomInt(64, 224);
  readonly #cuts = new Set<string>();

  /** @param names of the processes that get a namespace each */
  constructor(names: readonly string[]) {
    this.#names = names;
    try {
      ip("netns", "add", this.#hub);
      this.#inHub("ip", "link", "set", "lo", "up");
      this.#inHub("sysctl", "-q", "-w", "net.ipv4.ip_forward=1");
      // The testers, who are where they are.
      this.#join(this.#device(0), null, 0);
      ip("route", "add", `10.${this.#octet}.0.0/16`, "via", `10.${this.#octet}.0.1`);
      for (const [index, name] of names.entries()) {
        const namespace = this.#namespace(name);
        ip("netns", "add", namespace);
        this.#join(this.#device(index + 1), namespace, index + 1);
        ip("-n", namespace, "link", "set", "lo", "up");
        ip("-n", namespace, "route", "add", "default", "via", `10.${this.#octet}.${index + 1}.1`);
      }
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  addressOf(name: string): string {
    return `10.${this.#octet}.${this.#names.indexOf(name) + 1}.2`;
  }

  /** What runs a command there. */
  within(name: string): readonly string[] {
    return ["ip", "netns", "exec", this.#namespace(name)];
  }

  /** From now on nothing gets from there to there. The other way is as it was. */
  cut(from: string, to: string): void {
    this.#rule("add", from, to);
    this.#cuts.add(`${from} ${to}`);
  }

  /** Ends all that was cut and disturbed. */
  heal(): void {
    for (const cut of this.#cuts) {
      const [from, to] = cut.split(" ");
      this.#rule("del", from, to);
    }
    this.#cuts.clear();
    for (const name of this.#names) {
      try {
        this.#inHub("tc", "qdisc", "del", "dev", this.#hubDevice(name), "root");
      } catch {
        // It was not disturbed.
      }
    }
  }

  /**
   * What goes to a process suffers so, as `tc qdisc … netem` has it.
   *
   * @throws when the kernel has no netem
   */
  disturb(to: string, how: string): void {
    this.#inHub("tc", "qdisc", "replace", "dev", this.#hubDevice(to), "root", "netem", ...how.split(" "));
  }

  /** What goes to a process goes no faster. */
  throttle(to: string, rate: string): void {
    const bucket = ["tbf", "rate", rate, "burst", "16k", "latency", "2s"];
    this.#inHub("tc", "qdisc", "replace", "dev", this.#hubDevice(to), "root", ...bucket);
  }

  /** The processes in it have ended. */
  remove(): void {
    for (const namespace of [...this.#names.map((name) => this.#namespace(name)), this.#hub]) {
      try {
        ip("netns", "del", namespace);
      } catch {
        // It was not made.
      }
    }
  }

  get #hub(): string {
    return `pl${this.#id}-hub`;
  }

  #namespace(name: string): string {
    return `pl${this.#id}-${name}`;
  }

  #device(index: number): string {
    return `pl${this.#id}${index}`;
  }

  #hubDevice(name: string): string {
    return `${this.#device(this.#names.indexOf(name) + 1)}h`;
  }

  /** Two ends of a cable, one of them in the hub. */
  #join(device: string, namespace: string | null, subnet: number): void {
    const own = namespace === null ? [] : ["-n", namespace];
    ip(...own, "link", "add", device, "type", "veth", "peer", "name", `${device}h`, "netns", this.#hub);
    ip(...own, "addr", "add", `10.${this.#octet}.${subnet}.2/24`, "dev", device);
    ip(...own, "link", "set", device, "up");
    ip("-n", this.#hub, "addr", "add", `10.${this.#octet}.${subnet}.1/24`, "dev", `${device}h`);
    ip("-n", this.#hub, "link", "set", `${device}h`, "up");
  }

  #rule(act: "add" | "del", from: string, to: string): void {
    ip("-n", this.#hub, "rule", act, "from", this.addressOf(from), "to", this.addressOf(to), "blackhole");
  }

  #inHub(...command: string[]): void {
    ip("netns", "exec", this.#hub, ...command);
  }
}

function ip(...args: string[]): void {
  execFileSync("ip", args, { stdio: "pipe" });
}
