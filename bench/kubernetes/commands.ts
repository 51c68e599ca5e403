/**
 * Processes that do what they are told: the load runs in processes of its own, so that neither the measuring nor one
 * another's work delays it. A command is a name and an argument, its answer whatever the handler returns. Who is told ends
 * with its starter.
 */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";

/** What a process can be told: the handlers by the commands' names. */
export type Handlers = Readonly<Record<string, (argument: never) => unknown>>;

type Argument<H extends Handlers, Name extends keyof H> = Parameters<H[Name]>[0];
type Answer<H extends Handlers, Name extends keyof H> = Awaited<ReturnType<H[Name]>>;

interface Command {
  readonly name: string;
  readonly argument: unknown;
}

type Outcome = { readonly answer: unknown } | { readonly error: string };

/** Does what this process is told, one command after the other. */
export function serveCommands(handlers: Handlers): void {
  process.once("disconnect", () => process.exit());
  process.on(
    "message",
    (message) => void obey(handlers, message as Command).then((outcome) => process.send?.(outcome)),
  );
}

async function obey(handlers: Handlers, { name, argument }: Command): Promise<Outcome> {
  try {
    return { answer: await handlers[name](argument as never) };
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

export class CommandedProcess<H extends Handlers> {
  readonly #script: string;
  readonly #child: ChildProcess;
  #pending: PromiseWithResolvers<unknown> | null = null;

  constructor(script: string) {
    this.#script = script;
    // Figures may be NaN, which JSON does not have.
    this.#child = fork(script, { serialization: "advanced" });
    this.#child.on("message", (message) => {
      const outcome = message as Outcome;
      const pending = this.#pending;
      this.#pending = null;
      if ("error" in outcome) pending?.reject(new Error(`${script}: ${outcome.error}`));
      else pending?.resolve(outcome.answer);
    });
    this.#child.once("exit", () => this.#pending?.reject(new Error(`${script} ended`)));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** @throws when the command fails, or the process ends before it is done */
  async tell<Name extends keyof H & string>(name: Name, argument: Argument<H, Name>): Promise<Answer<H, Name>> {
    if (this.#pending !== null) throw new Error(`${this.#script} is told "${name}" while it is still at work`);
    if (!this.#child.connected) throw new Error(`${this.#script} has ended`);
    const pending = Promise.withResolvers<unknown>();
    this.#pending = pending;
    this.#child.send({ name, argument });
    // What the handler of that name returns came back as it was sent.
    return (await pending.promise) as Answer<H, Name>;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }
}
