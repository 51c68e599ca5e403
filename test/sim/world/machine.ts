/**
 * A machine in the world: a name, drives, and at most one process at a time, which a boot function makes. The process is
 * killed, loses power, stands still and is started again.
 */
import assert from "node:assert/strict";
import type { CrashMode, SimulatedDisk } from "../simulated-disk.ts";
import { Drive } from "./drive.ts";
import type { NodeOptions } from "./node.ts";
import { Node } from "./node.ts";
import type { World } from "./world.ts";

/** Starts the process: on this node, with the disks of all drives, of which most machines have one. */
export type Boot = (node: Node, disk: SimulatedDisk, disks: readonly SimulatedDisk[]) => void;

export interface MachineOptions extends NodeOptions {
  readonly drives?: number;
  /** The mean time of a step of a disk. */
  readonly diskMs?: number;
}

export class Machine {
  readonly name: string;
  readonly drives: readonly Drive[];
  readonly #world: World;
  readonly #boot: Boot;
  readonly #options: NodeOptions;
  #node: Node | null = null;

  constructor(world: World, name: string, boot: Boot, { drives = 1, diskMs = 0.2, ...node }: MachineOptions = {}) {
    assert(drives > 0, "a machine has a drive");
    this.name = name;
    this.drives = Array.from({ length: drives }, (_, i) => new Drive(world, `drive ${i} of ${name}`, diskMs));
    this.#world = world;
    this.#boot = boot;
    this.#options = node;
  }

  /** The process; null when none runs. */
  get node(): Node | null {
    return this.#node;
  }

  start(): Node {
    assert(this.#node === null, "a machine has one process");
    const node = new Node(this.#world, this.name, this.#options);
    const disks = this.drives.map((drive) => drive.mount(node));
    this.#node = node;
    this.#world.note(`${this.name} is started`);
    node.after(0, "turn", () => this.#boot(node, disks[0], disks), "boot");
    return node;
  }

  /** The process ends; after a loss of power, so does what was not durable. */
  stop(mode: CrashMode): void {
    if (this.#node === null) return;
    this.#world.note(`${this.name} ends by ${mode}`);
    this.#node.kill();
    for (const drive of this.drives) drive.leave(mode);
    this.#node = null;
  }

  pause(): void {
    this.#node?.pause();
  }

  resume(): void {
    this.#node?.resume();
  }

  /** All drives are as they should be. */
  repair(): void {
    for (const drive of this.drives) drive.repair();
  }
}
