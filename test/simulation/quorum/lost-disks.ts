/** The disks that replicas have lost, and how many a journal may lose at a time. */
import type { Member } from "../../../journal/replica/facts.ts";
import type { Machine } from "../../sim/world/machine.ts";
import type { SimulatedDisk } from "../../sim/simulated-disk.ts";
import type { World } from "../../sim/world/world.ts";

export class LostDisks {
  readonly #world: World;
  readonly #zones: readonly string[];
  readonly #isWell: (zone: string) => boolean;
  /** What each zone has lost, and not got back. */
  readonly #lost = new Map<string, SimulatedDisk[]>();
  /** Zones that did not count since they lost a disk, or never did. */
  readonly #unwell: Set<string>;

  /** @param isWell whether what a zone has now is known to count */
  constructor(
    world: World,
    zones: readonly string[],
    formedWith: readonly Member[],
    isWell: (zone: string) => boolean,
  ) {
    this.#world = world;
    this.#zones = zones;
    this.#isWell = isWell;
    this.#unwell = new Set(zones.filter((zone) => !formedWith.some((member) => member.zone === zone)));
  }

  isWell(zone: string): boolean {
    return this.#isWell(zone);
  }

  areWell(): boolean {
    this.#look();
    return this.#unwell.size === 0 && this.#zones.every((zone) => this.#isWell(zone));
  }

  /** A minority may be lost: of those that count, and a zone that was lost and does not count yet is lost already. */
  mayLose({ name }: Machine): boolean {
    this.#look();
    const after = new Set([...this.#unwell, name]);
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
