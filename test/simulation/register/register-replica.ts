/**
 * Keeps the last two versions in a file, each in a sector with its checksum, and writes a higher one over the lower of them:
 * a write that fails may leave anything in its sector.
 */
import { crc32 } from "node:zlib";
import type { DiskFile } from "../../../journal/replica/disk.ts";
import type { SimulatedDisk } from "../../sim/simulated-disk.ts";
import type { Network } from "../../sim/world/network.ts";
import type { Node } from "../../sim/world/node.ts";
import type { Mistakes } from "./mistakes.ts";
import type { ReplicaAnswer, ReplicaRequest, Version } from "./messages.ts";

const FILE = "/data/register";
const SECTOR_BYTES = 512;
const RETRY_MS = 20;
const NONE: Version = { revision: 0, value: "" };

export class RegisterReplica {
  readonly #node: Node;
  readonly #disk: SimulatedDisk;
  readonly #network: Network;
  readonly #mistakes: Mistakes;
  #file: DiskFile | null = null;
  #durable = NONE;
  /** The highest that was asked for. */
  #wanted = NONE;
  /** Where the next one goes. */
  #slot = 0;
  #isWriting = false;
  /** Those who wait until a revision is durable. */
  #waiting: { readonly revision: number; readonly answer: () => void }[] = [];

  constructor(node: Node, disk: SimulatedDisk, network: Network, mistakes: Mistakes) {
    this.#node = node;
    this.#disk = disk;
    this.#network = network;
    this.#mistakes = mistakes;
    this.#open();
  }

  #open(): void {
    this.#load().catch(() => this.#node.clock.after(RETRY_MS, () => this.#open()));
  }

  async #load(): Promise<void> {
    const names = await this.#disk.list("/data");
    const isNew = !names.includes("register");
    const file = isNew ? await this.#disk.create(FILE) : await this.#disk.openForWriting(FILE);
    if (isNew) await this.#disk.syncDirectory("/data");
    const bytes = Buffer.alloc(2 * SECTOR_BYTES);
    await file.read(bytes, 0, bytes.length, 0);
    const [one, other] = [0, 1].map((slot) => parse(bytes.subarray(slot * SECTOR_BYTES, (slot + 1) * SECTOR_BYTES)));
    this.#slot = one.revision > other.revision ? 1 : 0;
    this.#durable = one.revision > other.revision ? one : other;
    this.#wanted = this.#durable;
    this.#file = file;
    this.#network.attach(this.#node, (message, from) => this.#handle(message as ReplicaRequest, from));
  }

  #handle(request: ReplicaRequest, from: Node): void {
    const answer = (): void => {
      const version = this.#mistakes.acksBeforeSync ? this.#wanted : this.#durable;
      const message: ReplicaAnswer = { kind: "version", seq: request.seq, version };
      this.#network.send(this.#node, from, message);
    };
    if (request.kind === "query") return answer();
    const { version } = request;
    if (version.revision > this.#wanted.revision) this.#wanted = version;
    if (version.revision <= this.#durable.revision || this.#mistakes.acksBeforeSync) answer();
    else this.#waiting.push({ revision: version.revision, answer });
    this.#write();
  }

  /** One write at a time. */
  #write(): void {
    const version = this.#wanted;
    if (this.#isWriting || this.#file === null || version.revision === this.#durable.revision) return;
    this.#isWriting = true;
    this.#file.write(format(version), SECTOR_BYTES, this.#slot * SECTOR_BYTES, (error, count) => {
      // What is on the disk then is not known, so nothing is written until the process starts again.
      if (error !== null || count < SECTOR_BYTES) return;
      this.#isWriting = false;
      this.#slot = 1 - this.#slot;
      this.#durable = version;
      const isDone = ({ revision }: { revision: number }): boolean => revision <= version.revision;
      for (const { answer } of this.#waiting.filter(isDone)) answer();
      this.#waiting = this.#waiting.filter((each) => !isDone(each));
      this.#write();
    });
  }
}

function format(version: Version): Buffer {
  const bytes = Buffer.alloc(SECTOR_BYTES);
  const text = Buffer.from(JSON.stringify(version));
  bytes.writeUInt32LE(crc32(text), 0);
  bytes.writeUInt32LE(text.length, 4);
  text.copy(bytes, 8);
  return bytes;
}

/** What does not have its checksum was not written as a whole, and nobody was told of it. */
function parse(bytes: Buffer): Version {
  const text = bytes.subarray(8, 8 + bytes.readUInt32LE(4));
  if (text.length === 0 || crc32(text) !== bytes.readUInt32LE(0)) return NONE;
  // The text is of a version.
  return JSON.parse(text.toString()) as Version;
}
