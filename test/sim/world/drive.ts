/** A disk of a machine, which outlives the processes on it: it gets slow, full and bad, is lost, or is put back as it was. */
import assert from "node:assert/strict";
import type { CrashMode, DiskOperation, Fault } from "../simulated-disk.ts";
import { SimulatedDisk } from "../simulated-disk.ts";
import type { Node } from "./node.ts";
import type { World } from "./world.ts";

export class Drive {
  /** For the trace. */
  readonly name: string;
  /** Steps take so many times as long as they should. */
  slowness = 1;
  /** What happens instead of operations, from the next one on. */
  fault: ((operation: DiskOperation) => Fault | null) | null = null;

  readonly #world: World;
  readonly #stepMs: number;
  #disk: SimulatedDisk;
  /** How the last process ended. */
  #end: CrashMode = "power";
  #isUsed = false;

  /** @param stepMs the mean time of a step; an operation takes one or a few */
  constructor(world: World, name: string, stepMs: number) {
    this.#world = world;
    this.name = name;
    this.#stepMs = stepMs;
    this.#disk = this.#blank();
  }

  /** As the process that runs has it, or the one that ran last. */
  get disk(): SimulatedDisk {
    return this.#disk;
  }

  /** Gives it to a process. */
  mount(node: Node): SimulatedDisk {
    assert(!this.#isUsed, "a drive is used by one process");
    this.#isUsed = true;
    this.#disk = this.#disk.restart(this.#end, (act) => {
      node.after(this.#world.exponential(this.#stepMs * this.slowness), "disk", act);
    });
    this.#disk.inject = (operation) => this.fault?.(operation) ?? null;
    return this.#disk;
  }

  /** Its process has ended; with the power, what was not durable is gone. */
  leave(mode: CrashMode): void {
    assert(this.#isUsed, "a process that ends has begun");
    this.#isUsed = false;
    this.#disk.crash();
    this.#end = mode;
  }

  /** So much more fits from now on. */
  fill(bytesLeft: number): void {
    this.#world.note(`${this.name} has ${bytesLeft} B left`);
    this.#disk.capacityBytes = this.#disk.usedBytes + bytesLeft;
  }

  /** There is room again, it is fast, and it does what it is told. */
  repair(): void {
    this.#disk.capacityBytes = Infinity;
    this.fault = null;
    this.slowness = 1;
  }

  /** A durable bit turns over. */
  rot(isConcerned?: (path: string) => boolean): void {
    this.#world.note(`${this.name} rots`, this.#disk.rot(isConcerned));
  }

  /** What is durable now, to be put back with `replace`. */
  image(): SimulatedDisk {
    return this.#disk.image();
  }

  /** Puts another disk in its place while no process has it: an image, or a blank one. */
  replace(disk: SimulatedDisk = this.#blank()): void {
    assert(!this.#isUsed, "a disk is replaced while nothing runs on it");
    this.#world.note(`${this.name} is another disk`);
    this.#disk = disk;
    this.#end = "power";
  }

  #blank(): SimulatedDisk {
    return new SimulatedDisk(this.#world.random, () => assert.fail("a disk is used by a process"));
  }
}
