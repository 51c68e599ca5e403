/** Disks that are one to a journal: the first part of a path is the zone, whose disk it is on. */
import type { Disk } from "../../journal/replica/disk.ts";
import { seededRandom, SimulatedDisk } from "./simulated-disk.ts";

export class ZoneDisks implements Disk {
  readonly #disks: Map<string, SimulatedDisk>;

  private constructor(disks: Map<string, SimulatedDisk>) {
    this.#disks = disks;
  }

  static of(zones: readonly string[], seed: number): ZoneDisks {
    return new ZoneDisks(new Map(zones.map((zone, i) => [zone, new SimulatedDisk(seededRandom(seed * 31 + i))])));
  }

  /** The disk of a zone. */
  at(zone: string): SimulatedDisk {
    const disk = this.#disks.get(zone);
    if (disk === undefined) throw new Error(`there is no zone ${zone}`);
    return disk;
  }

  /** Another disk in the place of that of a zone. */
  put(zone: string, disk: SimulatedDisk): void {
    this.#disks.set(zone, disk);
  }

  /** All of them as they are after a loss of power. */
  restart(): ZoneDisks {
    for (const disk of this.#disks.values()) disk.crash();
    return new ZoneDisks(new Map([...this.#disks].map(([zone, disk]) => [zone, disk.restart("power")])));
  }

  makeDirectory = (path: string) => this.#of(path).makeDirectory();
  list = (path: string) => this.#of(path).list(path);
  create = (path: string) => this.#of(path).create(path);
  openForWriting = (path: string) => this.#of(path).openForWriting(path);
  openForReading = (path: string) => this.#of(path).openForReading(path);
  openLocked = (path: string) => this.#of(path).openLocked(path);
  isNameOf: Disk["isNameOf"] = (path, file) => this.#of(path).isNameOf(path, file);
  rename = (from: string, to: string) => this.#of(from).rename(from, to);
  remove = (path: string) => this.#of(path).remove(path);
  syncDirectory = (path: string) => this.#of(path).syncDirectory(path);

  #of(path: string): SimulatedDisk {
    return this.at(path.split("/")[1]);
  }
}
