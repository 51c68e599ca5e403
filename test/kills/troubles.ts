/**
 * Where SIGKILL hits: at any moment, in the middle of a snapshot, of a trim, of a start, and of a restore and an import,
 * whose results take the place of the data that they were made of.
 */
import { existsSync, readdirSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import path from "node:path";
import type { Random } from "../guarantees/traffic/random.ts";
import type { TestedServer } from "../soak/tested-server.ts";
import { delay } from "../support/delay.ts";
import { saveSnapshot } from "../support/etcd-backups.ts";
import { runCommand } from "./command-run.ts";
import { directoryEvent } from "./directory-event.ts";

/** What it waits for does not happen: then it is a kill at any moment. */
const AIM_MS_MAX = 20_000;
const ZONES = ["zone-a", "zone-b", "zone-c"];
const UNFINISHED = /is not whole, as what made it was cut short/;

export class Troubles {
  readonly #server: TestedServer;
  readonly #random: Random;
  readonly #folder: string;
  /** What a command works on its target for, by its name. */
  readonly #lengths = new Map<string, number>();
  /** How often a command was killed, and left something unfinished behind. */
  unfinished = 0;
  restores = 0;

  /** @param folder for what restore and import make, on the disk of the data directory */
  constructor(server: TestedServer, random: Random, folder: string) {
    this.#server = server;
    this.#random = random;
    this.#folder = folder;
  }

  anyMoment = async (): Promise<void> => {
    await delay(this.#random.integer(0, 4_000));
    await this.#killAndStart("kill at any moment");
  };

  inSnapshot = async (): Promise<void> => {
    const isSeen = await directoryEvent(this.#zones("snapshots"), /./, AIM_MS_MAX);
    await delay(this.#random.integer(0, 600));
    await this.#killAndStart(isSeen ? "kill in a snapshot" : "kill at any moment");
  };

  inTrim = async (): Promise<void> => {
    const gone = this.#segmentGone();
    const isSeen = await gone;
    // The next zone's may be going just now.
    if (this.#random.once(2)) await delay(this.#random.integer(0, 10));
    await this.#killAndStart(isSeen ? "kill in a trim" : "kill at any moment");
  };

  /** Killed while it starts, once or a few times. */
  inStart = (): Promise<void> =>
    this.#server.during("kill in a start", async () => {
      const { plinth } = this.#server;
      await plinth.kill();
      for (let i = this.#random.integer(1, 4); i > 0; i--) {
        const starting = plinth.start().catch(() => undefined);
        await delay(this.#random.integer(50, 2_500));
        await plinth.kill().catch(() => undefined);
        await starting;
      }
      await plinth.start();
    });

  /** The data directory is replaced by one that is restored from it, after some that were not finished. */
  inRestore = (): Promise<void> =>
    this.#server.during("kill in a restore", async () => {
      const { plinth } = this.#server;
      await plinth.kill();
      await this.#replace("restore", plinth.dataDir);
    });

  /** The same by way of a backup, which has all that was acknowledged before it: writers must be still. */
  inImport = (): Promise<void> =>
    this.#server.during("kill in an import", async () => {
      const { plinth } = this.#server;
      const file = path.join(this.#folder, "backup.db");
      await saveSnapshot(plinth.url, file);
      await plinth.kill();
      await this.#replace("import", file);
      await rm(file);
    });

  #killAndStart(kind: string): Promise<void> {
    return this.#server.during(kind, async () => {
      await this.#server.plinth.kill();
      await this.#server.plinth.start();
    });
  }

  #zones(room: string): string[] {
    return ZONES.map((zone) => path.join(this.#server.plinth.dataDir, "journal", zone, room));
  }

  /** Segments come as well, one for each zone: of the names that it tells, the first that is not there has gone. */
  async #segmentGone(): Promise<boolean> {
    const untilMs = performance.now() + AIM_MS_MAX;
    while (performance.now() < untilMs) {
      const before = listSegments(this.#zones(""));
      if (!(await directoryEvent(this.#zones(""), /\.seg$/, untilMs - performance.now()))) return false;
      if (before.some((file) => !existsSync(file))) return true;
    }
    return false;
  }

  async #replace(command: "restore" | "import", from: string): Promise<void> {
    const { plinth } = this.#server;
    const target = path.join(this.#folder, command);
    const args = [command, `--from=${from}`, `--data-dir=${target}`];
    for (let i = this.#random.integer(1, 4); i > 0; i--) {
      const afterMs = this.#random.integer(0, this.#lengths.get(command) ?? 500);
      const { status } = await runCommand(args, async (signal) => {
        // Before that it has changed nothing.
        while (!existsSync(path.join(target, "UNFINISHED")) && !signal.aborted) await delay(1);
        await delay(afterMs);
      });
      if (status === 0) break;
      if (existsSync(path.join(target, "UNFINISHED"))) {
        this.unfinished++;
        const refused = await runCommand(args);
        if (!UNFINISHED.test(refused.error))
          throw new Error(`${command} went on with what is unfinished: ${refused.error}`);
        await rm(target, { recursive: true });
      } else if (existsSync(path.join(target, "identity.json"))) break;
    }
    if (!existsSync(path.join(target, "identity.json"))) {
      const { status, error, milliseconds } = await runCommand(args);
      if (status !== 0) throw new Error(`${command} failed: ${error}`);
      this.#lengths.set(command, milliseconds / 2);
    }
    this.restores++;
    await rm(plinth.dataDir, { recursive: true });
    await rename(target, plinth.dataDir);
    await plinth.start();
  }
}

function listSegments(directories: readonly string[]): string[] {
  return directories.flatMap((directory) =>
    readdirSync(directory)
      .filter((name) => name.endsWith(".seg"))
      .map((name) => path.join(directory, name)),
  );
}
