/** Plinth and etcd side by side, given the same commands about users and by users, which must come to the same. */
import { inspect } from "node:util";
import { startEtcdStore, startPlinthStore } from "../../support/stores.ts";
import type { Both } from "../freedoms.ts";
import { byRoot, authenticated, RESTART, ROOT_PASSWORD } from "./auth-commands.ts";
import type { AuthCommand, AuthStep } from "./auth-commands.ts";
import { AuthSide } from "./auth-side.ts";

/** Passwords are hashed as cheaply as can be. */
const FLAGS = ["--bcrypt-cost=4"];
const ETCD_FLAGS = [...FLAGS, "--unsafe-no-fsync"];

const EVERYTHING = { key: Buffer.of(0), rangeEnd: Buffer.of(0) };

export class AuthDifference extends Error {
  override readonly name = "AuthDifference";
}

export class AuthLockstep {
  /** How often each command had each outcome: `KV/Put 7`. */
  readonly outcomes = new Map<string, number>();
  commands = 0;
  readonly #sides: Both<AuthSide>;
  #transcript: string[] = [];

  static async start(): Promise<AuthLockstep> {
    const [plinth, etcd] = await Promise.all([startPlinthStore(FLAGS), startEtcdStore(ETCD_FLAGS)]);
    return new AuthLockstep(await Promise.all([AuthSide.connect(plinth), AuthSide.connect(etcd)]));
  }

  private constructor(sides: Both<AuthSide>) {
    this.#sides = sides;
  }

  async remove(): Promise<void> {
    for (const side of this.#sides) side.close();
    await Promise.all(this.#sides.map((side) => side.store.remove()));
  }

  /**
   * Takes the steps of one sequence on a server without users and roles.
   *
   * @throws AuthDifference
   */
  async run(steps: readonly AuthStep[]): Promise<void> {
    this.#transcript = [];
    for (const side of this.#sides) side.forgetTokens();
    for (const step of steps) {
      this.commands++;
      if (step === RESTART) await this.#restart();
      else await this.#call(step);
    }
    await this.#clear();
  }

  async #restart(): Promise<void> {
    this.#transcript.push(RESTART);
    await Promise.all(this.#sides.map((side) => side.restart()));
  }

  async #call(command: AuthCommand): Promise<string> {
    const [plinth, etcd] = await Promise.all(this.#sides.map((side) => side.call(command)));
    const what = `${command.caller}: ${command.rpc} ${inspect(command.request, { breakLength: Number.POSITIVE_INFINITY })}`;
    const outcome = `${command.rpc} ${/^\d+/.exec(etcd)?.[0] ?? "OK"}`;
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
    if (plinth !== etcd) {
      throw new AuthDifference([...this.#transcript, what, `   plinth: ${plinth}`, `   etcd:   ${etcd}`].join("\n"));
    }
    this.#transcript.push(what, `   both:   ${etcd}`);
    return etcd;
  }

  /** Brings both back to a server without users, roles, keys and leases. The revisions stay. */
  async #clear(): Promise<void> {
    await this.#call(authenticated("root", ROOT_PASSWORD));
    await this.#call(byRoot("Auth/AuthDisable"));
    for (const name of await this.#names("Auth/UserList")) await this.#call(byRoot("Auth/UserDelete", { name }));
    for (const role of await this.#names("Auth/RoleList")) await this.#call(byRoot("Auth/RoleDelete", { role }));
    await this.#call(byRoot("KV/DeleteRange", EVERYTHING));
    for (const ID of [11n, 12n]) await this.#call(byRoot("Lease/LeaseRevoke", { ID }));
    await this.#call(byRoot("Auth/AuthStatus"));
  }

  /** The names in the answer of a list. */
  async #names(rpc: string): Promise<string[]> {
    const answer = await this.#call(byRoot(rpc));
    const list = /(?:users|roles): \[(.*?)\]/.exec(answer)?.[1] ?? "";
    return [...list.matchAll(/'([^']*)'/g)].map(([, name]) => name);
  }
}
