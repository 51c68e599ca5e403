/**
 * A machine in the world: a name, a disk, and at most one process at a time, which a boot function makes. The process is
 * killed, loses power, stands still and is started again; the disk gets slow, full and bad, is lost, or is put back as it was.
 */
import assert from "node:assert/strict";
import type { CrashMode, DiskOperation, Fault } from "../simulated-disk.ts";
import { SimulatedDisk } from "../simulated-disk.ts";
import type { NodeOptions } from "./node.ts";
import { Node } from "./node.ts";
import type { World } from "./world.ts";

/** Starts the process: on this node, with this disk. */
export type Boot = (node: Node, disk: SimulatedDisk) => void;

export interface MachineOptions extends NodeOptions {
  /** The mean time of a step of the disk; an operation takes one or a few. */
  readonly diskMs?: number;
}

export class Machine {
  readonly name: string;
  /** Steps of the disk take so many times as long as they should. */
  slowness = 1;
  /** What happens instead of operations of the disk, from the next one on. */
  fault: ((operation: DiskOperation) => Fault | null) | null = null;

  readonly #world: World;
  readonly #boot: Boot;
  readonly #options: MachineOptions;
  #disk: SimulatedDisk;
  /** How the last process ended. */
  #end: CrashMode = "power";
  #node: Node | null = null;

  constructor(world: World, name: string, boot: Boot, options: MachineOptions = {}) {
    this.name = name;
    this.#world = world;
    this.#boot = boot;
    this.#options = options;
    this.#disk = this.#blank();
  }

  /** The process; null when none runs. */
  get node(): Node | null {
    return this.#node;
  }

  /** The disk of the process that runs, or of the one that ran last. */
  get disk(): SimulatedDisk {
    return this.#disk;
  }

  start(): Node {
    assert(this.#node === null, "a machine has one process");
    const node = new Node(this.#world, this.name, this.#options);
    const { diskMs = 0.2 } = this.#options;
    const disk = this.#disk.restart(this.#end, (act) => {
      node.after(this.#world.exponential(diskMs * this.slowness), "disk", act);
    });
    disk.inject = (operation) => this.fault?.(operation) ?? null;
    this.#disk = disk;
    this.#node = node;
    this.#world.note(`${this.name} is started`);
    node.after(0, "turn", () => this.#boot(node, disk), "boot");
    return node;
  }

  /** The process ends; after a loss of power, so does what was not durable. */
  stop(mode: CrashMode): void {
    if (this.#node === null) return;
    this.#world.note(`${this.name} ends by ${mode}`);
    this.#node.kill();
    this.#disk.crash();
    this.#end = mode;
    this.#node = null;
  }

  pause(): void {
    this.#node?.pause();
  }

  resume(): void {
    this.#node?.resume();
  }

  /** So much more fits on the disk from now on. */
  fill(bytesLeft: number): void {
    this.#world.note(`${this.name} has ${bytesLeft} B left`);
    this.#disk.capacityBytes = this.#disk.usedBytes + bytesLeft;
  }

  /** There is room again, the disk is fast, and it does what it is told. */
  repair(): void {
    this.#disk.capacityBytes = Infinity;
    this.fault = null;
    this.slowness = 1;
  }

  /** A durable bit turns over. */
  rot(isConcerned?: (path: string) => boolean): void {
    this.#world.note(`${this.name} rots`, this.#disk.rot(isConcerned));
  }

  /** What is durable now, to be put back with `replaceDisk`. */
  image(): SimulatedDisk {
    return this.#disk.image();
  }

  /** Puts another disk in place of a machine's that is not running: an image, or a blank one. */
  replaceDisk(disk: SimulatedDisk = this.#blank()): void {
    assert(this.#node === null, "a disk is replaced while nothing runs on it");
    this.#world.note(`${this.name} gets another disk`);
    this.#disk = disk;
    this.#end = "power";
  }

  #blank(): SimulatedDisk {
    return new SimulatedDisk(this.#world.random, () => assert.fail("a disk is used by a process"));
  }
}
