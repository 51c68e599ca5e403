/** The disks that replicas have lost, and how many a journal may do without at a time. */
import type { Member } from "../../../journal/replica/facts.ts";
import type { Machine } from "../../sim/world/machine.ts";
import type { SimulatedDisk } from "../../sim/simulated-disk.ts";
import type { World } from "../../sim/world/world.ts";

export class LostDisks {
  readonly #world: World;
  readonly #zones: readonly string[];
  readonly #isWell: (zone: string) => boolean;
  readonly #isDamaged: (zone: string) => boolean;
  /** What each zone has lost, and not got back. */
  readonly #lost = new Map<string, SimulatedDisk[]>();
  /** Zones that did not count since they lost a disk, or never did. */
  readonly #unwell: Set<string>;

  /**
   * @param isWell whether what a zone has now is known to count
   * @param isDamaged whether its disk has rotted, and nobody has put that right
   */
  constructor(
    world: World,
    zones: readonly string[],
    formedWith: readonly Member[],
    isWell: (zone: string) => boolean,
    isDamaged: (zone: string) => boolean,
  ) {
    this.#world = world;
    this.#zones = zones;
    this.#isWell = isWell;
    this.#isDamaged = isDamaged;
    this.#unwell = new Set(zones.filter((zone) => !formedWith.some((member) => member.zone === zone)));
  }

  isWell(zone: string): boolean {
    return this.#isWell(zone);
  }

  areWell(): boolean {
    return this.haveCounted && this.#zones.every((zone) => this.#isWell(zone));
  }

  /** Whether a zone has counted since it lost its disk. */
  hasCounted(zone: string): boolean {
    this.#look();
    return !this.#unwell.has(zone);
  }

  /** Whether each of them has. */
  get haveCounted(): boolean {
    this.#look();
    return this.#unwell.size === 0;
  }

  /**
   * A minority may be lost: of those that count, and a zone that was lost and does not count yet is lost already, and so is one
   * that lacks something.
   */
  mayLose({ name }: Machine): boolean {
    this.#look();
    const damaged = this.#zones.filter((zone) => this.#isDamaged(zone));
    const after = new Set([...this.#unwell, ...damaged, name]);
    return after.size <= (this.#zones.length - 1) / 2;
  }

  lose(replica: Machine): void {
    this.#swap(replica, null);
  }

  putBack(replica: Machine): boolean {
    const lost = this.#lost.get(replica.name) ?? [];
    // The one that it has now is lost by that.
    if (lost.length === 0 || !this.mayLose(replica)) return false;
    const disk = this.#world.pick(lost);
    this.#lost.set(
      replica.name,
      lost.filter((each) => each !== disk),
    );
    this.#swap(replica, disk);
    return true;
  }

  #swap(replica: Machine, disk: SimulatedDisk | null): void {
    const { name, drives } = replica;
    replica.stop("power");
    const [drive] = drives;
    this.#lost.set(name, [...(this.#lost.get(name) ?? []), drive.image()]);
    if (disk === null) drive.replace();
    else drive.replace(disk);
    this.#unwell.add(name);
  }

  #look(): void {
    for (const zone of this.#unwell) if (this.#isWell(zone)) this.#unwell.delete(zone);
  }
}
