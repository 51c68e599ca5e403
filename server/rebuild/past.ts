/**
 * What a cluster was, moment by moment, as its zones have it: the snapshots, and the journal behind each. It is read as it lies
 * there, and nothing is changed; a server may have it open meanwhile.
 */
import { access, readdir } from "node:fs/promises";
import path from "node:path";
import { FRAME_HEADER_BYTES, RECORD_HEADER_BYTES } from "../../journal/frame.ts";
import { nodeDisk } from "../../journal/replica/disk.ts";
import { framesOf } from "../../journal/replica/frames-of-directory.ts";
import { decodeSegmentHeader, isSegmentName, SEGMENT_HEADER_BYTES } from "../../journal/replica/segment.ts";
import { readFully } from "../../journal/replica/disk.ts";
import { Keyspace } from "../../partitions/keyspace.ts";
import { BASE_POSITION } from "../engine/base-command.ts";
import { executeRecord } from "../engine/execute-record.ts";
import type { Command } from "../engine/record.ts";
import { unpackMeta } from "../engine/snapshot-meta.ts";
import type { SnapshotFacts } from "../engine/snapshots.ts";
import { SNAPSHOTS_NAME } from "../own-zones.ts";
import { SnapshotDirectory } from "../snapshot/snapshot-directory.ts";
import type { SnapshotReading } from "../snapshot/snapshot-reading.ts";
import { RebuildError } from "./rebuild-error.ts";

/** Removal keeps step with what is executed. */
const COMPACTION_ENTRIES = 2_000;

/** A record that was executed. */
export interface PastRecord extends Command {
  readonly position: number;
  readonly bytes: number;
  /** The writer's clock, Unix ms; 0 when it is not known. */
  readonly wallMs: number;
}

/** One snapshot of one zone. */
interface Beginning {
  readonly facts: SnapshotFacts;
  readonly directory: SnapshotDirectory;
}

/** A zone's journal, as far as it hangs together. */
interface Log {
  readonly directory: string;
  readonly clusterId: string;
  readonly firstPosition: number;
  readonly firstMs: number;
  readonly lastEpoch: number;
  readonly lastIndex: number;
  readonly lastPosition: number;
  readonly lastMs: number;
}

export class Past {
  /** Told now and then how many records have been executed, and of how many. */
  onProgress: (executed: number, of: number) => void = () => {};
  readonly #log: Log;
  /** The newest first. */
  readonly #beginnings: readonly Beginning[];

  private constructor(log: Log, beginnings: readonly Beginning[]) {
    this.#log = log;
    this.#beginnings = beginnings;
  }

  /**
   * @param from a data directory, or the directory of one zone
   * @throws RebuildError when there is nothing to be found
   */
  static async open(from: string): Promise<Past> {
    const zones = await zonesOf(path.resolve(from));
    const logs: Log[] = [];
    for (const zone of zones) logs.push(await readLog(zone));
    // As a take-over would go on: with the longest of those that the latest writer has written.
    logs.sort((a, b) => b.lastEpoch - a.lastEpoch || b.lastIndex - a.lastIndex);
    const [log] = logs;
    const beginnings: Beginning[] = [];
    for (const zone of zones) await addBeginnings(beginnings, zone, log);
    beginnings.sort((a, b) => b.facts.position - a.facts.position);
    return new Past(log, beginnings);
  }

  /** The first and the last moment that there is, Unix ms. */
  get times(): { readonly fromMs: number; readonly toMs: number } {
    const { firstMs, lastMs } = this.#log;
    const oldest = this.#beginnings.at(-1);
    return { fromMs: this.#isWhole || oldest === undefined ? firstMs : oldest.facts.takenAtMs, toMs: lastMs };
  }

  /** The revision of the earliest state that there is. */
  get firstRevision(): number {
    return this.#isWhole ? 1 : (this.#beginnings.at(-1)?.facts.keyspace.revision ?? 1);
  }

  /** Whether the journal has all that ever was. */
  get #isWhole(): boolean {
    const oldest = this.#beginnings.at(-1);
    return this.#log.firstPosition === 1 && oldest?.facts.position !== BASE_POSITION;
  }

  /**
   * The keyspace as it was, beginning with the newest snapshot that suits: records are executed for as long as `goesOn` says so
   * before each.
   *
   * @param suits whether to begin with a snapshot; the journal's beginning always does
   * @param onRecord told of each that was executed
   * @throws RebuildError when what is there does not reach back so far
   */
  async build(
    suits: (facts: SnapshotFacts) => boolean,
    goesOn: (keyspace: Keyspace, wallMs: number) => boolean,
    onRecord: (keyspace: Keyspace, record: PastRecord) => void = () => {},
    onBegun: (keyspace: Keyspace, facts: SnapshotFacts | null) => void = () => {},
  ): Promise<Keyspace> {
    const { firstPosition, lastPosition, directory } = this.#log;
    const begun = await this.#begin(suits);
    const { keyspace } = begun;
    onBegun(keyspace, begun.facts);
    let next = (begun.facts?.position ?? 0) + 1;
    if (firstPosition > next)
      throw new RebuildError(`${directory} begins with record ${firstPosition}, and no snapshot suits`);
    const first = next;
    for await (const { header, bytes, start } of framesOf(nodeDisk, directory)) {
      const { previousPosition, lastPosition: last, wallMs } = header;
      let at = start + FRAME_HEADER_BYTES;
      for (let position = previousPosition + 1; position <= last; position++) {
        const size = bytes.readUInt32LE(at);
        const record = bytes.subarray(at + RECORD_HEADER_BYTES, at + RECORD_HEADER_BYTES + size);
        at += RECORD_HEADER_BYTES + size;
        if (position < next) continue;
        if (!goesOn(keyspace, wallMs)) return keyspace;
        const command = executeRecord(keyspace, record);
        onRecord(keyspace, { ...command, position, bytes: size, wallMs });
        next = position + 1;
      }
      while (!keyspace.compactStep(COMPACTION_ENTRIES));
      this.onProgress(next - first, lastPosition + 1 - first);
    }
    return keyspace;
  }

  async #begin(
    suits: (facts: SnapshotFacts) => boolean,
  ): Promise<{ readonly keyspace: Keyspace; readonly facts: SnapshotFacts | null }> {
    const { firstPosition, directory } = this.#log;
    const failures: string[] = [];
    for (const { facts, directory: shelf } of this.#beginnings) {
      if (!suits(facts)) continue;
      const reading = shelf.read(facts.position);
      try {
        return { keyspace: await load(reading, facts), facts };
      } catch (error) {
        failures.push(error instanceof Error ? error.message : String(error));
      } finally {
        await reading.close();
      }
    }
    if (firstPosition === 1) return { keyspace: new Keyspace(), facts: null };
    const why = failures.length === 0 ? "there is no snapshot that is so old" : failures.join("; ");
    throw new RebuildError(`the journal in ${directory} begins with record ${firstPosition}, and ${why}`);
  }
}

async function load(reading: SnapshotReading, facts: SnapshotFacts): Promise<Keyspace> {
  const keyspace = new Keyspace();
  await reading.opened();
  const loader = keyspace.openLoader(facts.keyspace);
  for await (const piece of reading.chunks()) {
    for (let at = 0; at < piece.length;) at = loader.add(piece, at, Number.POSITIVE_INFINITY);
  }
  while (!loader.finish());
  return keyspace;
}

/** @throws RebuildError when the directory has neither */
async function zonesOf(directory: string): Promise<string[]> {
  const journal = path.join(directory, "journal");
  const names = await readdir(journal).catch(() => []);
  const zones = names.filter((name) => name.startsWith("zone-")).map((name) => path.join(journal, name));
  const candidates = zones.length > 0 ? zones : [directory];
  const found: string[] = [];
  for (const candidate of candidates) {
    const files = await readdir(candidate).catch(() => []);
    if (files.some(isSegmentName)) found.push(candidate);
  }
  if (found.length > 0) return found;
  await access(directory).catch((error: unknown) => {
    throw new RebuildError(`${directory} cannot be read`, { cause: error });
  });
  throw new RebuildError(`${directory} is neither a data directory nor that of a zone: no journal lies in it`);
}

async function readLog(directory: string): Promise<Log> {
  const clusterId = await clusterOf(directory);
  let log: Writable<Log> | null = null;
  for await (const { header, path: file, offset } of framesOf(nodeDisk, directory)) {
    const { index, previousPosition, lastPosition, epoch, wallMs } = header;
    log ??= {
      directory,
      clusterId,
      firstPosition: previousPosition + 1,
      firstMs: wallMs,
      lastEpoch: epoch,
      lastIndex: index - 1,
      lastPosition: previousPosition,
      lastMs: wallMs,
    };
    if (index !== log.lastIndex + 1 || previousPosition !== log.lastPosition) {
      throw new RebuildError(`${file}: frames are missing before offset ${offset}`);
    }
    log.lastEpoch = epoch;
    log.lastIndex = index;
    log.lastPosition = lastPosition;
    log.lastMs = Math.max(log.lastMs, wallMs);
  }
  if (log === null) throw new RebuildError(`${directory}: the journal has no frame`);
  return log;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

async function clusterOf(directory: string): Promise<string> {
  const [first] = (await readdir(directory)).filter(isSegmentName).toSorted();
  const file = path.join(directory, first);
  const opened = await nodeDisk.openForReading(file);
  try {
    const block = Buffer.alloc(SEGMENT_HEADER_BYTES);
    const count = await readFully(opened, block, SEGMENT_HEADER_BYTES, 0);
    return decodeSegmentHeader(block.subarray(0, count), file).clusterId;
  } finally {
    await opened.close();
  }
}

/** Those of one zone that are not known yet. What is damaged is left out, and another zone may have it. */
async function addBeginnings(known: Beginning[], zone: string, { clusterId, lastPosition }: Log): Promise<void> {
  const directory = new SnapshotDirectory({ directory: path.join(zone, SNAPSHOTS_NAME), clusterId });
  for (const { position, info } of await directory.list()) {
    if (info === null || position > lastPosition || known.some(({ facts }) => facts.position === position)) continue;
    const reading = directory.read(position);
    try {
      const { meta } = await reading.opened();
      const facts = unpackMeta(position, meta);
      if (facts !== null) known.push({ facts, directory });
    } catch {
      // Damaged.
    } finally {
      await reading.close();
    }
  }
}
