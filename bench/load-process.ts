/**
 * A client in a process of its own, beside the one that measures: what it has to read and write must not delay the
 * measuring. It ends with its starter, however that ends. What it tells is told with the functions of tell-starter.ts.
 */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";

import type { Telling } from "./tell-starter.ts";

const START_MILLISECONDS_MAX = 60_000;

export class LoadProcess {
  readonly #script: string;
  readonly #child: ChildProcess;
  readonly #onTimed: (milliseconds: number) => void;
  readonly #atWork = Promise.withResolvers<void>();

  /**
   * Returns when the client says that it is at work.
   *
   * @param onTimed hears how long each thing took that the client has timed
   * @throws when it ends before, or is not at work in time
   */
  static async start(
    script: string,
    args: readonly string[],
    onTimed: (milliseconds: number) => void = () => {},
  ): Promise<LoadProcess> {
    const load = new LoadProcess(script, args, onTimed);
    const timer = setTimeout(
      () => load.#atWork.reject(load.#failure("was not at work in time")),
      START_MILLISECONDS_MAX,
    );
    try {
      await load.#atWork.promise;
      return load;
    } catch (error) {
      load.#child.kill("SIGKILL");
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  private constructor(script: string, args: readonly string[], onTimed: (milliseconds: number) => void) {
    this.#script = script;
    this.#onTimed = onTimed;
    this.#child = fork(script, args);
    this.#child.on("message", this.#hear);
    this.#child.once("error", (error) => this.#atWork.reject(error));
    this.#child.once("exit", () => this.#atWork.reject(this.#failure("ended")));
  }

  /** @throws when it had ended by itself: what was measured beside it is worth nothing */
  async stop(): Promise<void> {
    if (this.#ended) throw this.#failure("ended too early");
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }

  get #ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  // The channel gives what was sent, and all that is sent are tellings.
  readonly #hear = (message: unknown): void => {
    const telling = message as Telling;
    if (telling.kind === "timed") this.#onTimed(telling.milliseconds);
    else this.#atWork.resolve();
  };

  #failure(what: string): Error {
    return new Error(`${this.#script} ${what}`);
  }
}
