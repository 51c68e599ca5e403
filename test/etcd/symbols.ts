/**
 * Stand-ins for what a generated command cannot know: revisions relative to the server's own, and the ids of leases that a
 * server chose. They are numbers of their own ranges in otherwise ordinary requests, and are replaced before sending.
 */

const CURRENT = 2 ** 40;
const COMPACTED = 2 ** 41;
const DISTANCE_MAX = 2 ** 20;
const LEASE_SLOT = 770_000n;

/** How many server-chosen leases can be told apart. */
export const LEASE_SLOTS = 4;

/** The current revision, plus or minus some. */
export function current(offset = 0): number {
  return CURRENT + offset;
}

/** The last compacted revision, plus or minus some. */
export function compacted(offset = 0): number {
  return COMPACTED + offset;
}

/** The id of the lease that the server chose last for this slot. */
export function leaseSlot(slot: number): bigint {
  return LEASE_SLOT + BigInt(slot);
}

/** A number in words if it is a symbol, else as it is. */
export function symbolText(value: number | bigint): string | number | bigint {
  if (typeof value === "bigint") return isSlot(value) ? `lease slot ${value - LEASE_SLOT}` : value;
  if (isNear(value, CURRENT)) return `current ${signed(value - CURRENT)}`;
  return isNear(value, COMPACTED) ? `compacted ${signed(value - COMPACTED)}` : value;
}

function isNear(value: number, base: number): boolean {
  return Math.abs(value - base) <= DISTANCE_MAX;
}

function isSlot(value: bigint): boolean {
  return value >= LEASE_SLOT && value < LEASE_SLOT + BigInt(LEASE_SLOTS);
}

function signed(offset: number): string {
  return offset < 0 ? `- ${-offset}` : `+ ${offset}`;
}

/** What the symbols stand for, at one server and at one moment. */
export interface Meaning {
  readonly revision: number;
  /** -1 before the first compaction. */
  readonly compactRevision: number;
  /** By slot; a slot without a lease stands for an id that nobody has. */
  readonly leases: ReadonlyMap<number, bigint>;
}

/** A deep copy of a request with every symbol replaced. Buffers are shared. */
export function resolve<Request>(request: Request, meaning: Meaning): Request {
  return resolved(request, meaning) as Request;
}

function resolved(value: unknown, meaning: Meaning): unknown {
  if (typeof value === "number") return revisionOf(value, meaning);
  if (typeof value === "bigint") return leaseOf(value, meaning);
  if (Array.isArray(value)) return value.map((element) => resolved(element, meaning));
  if (typeof value !== "object" || value === null || Buffer.isBuffer(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, resolved(field, meaning)]));
}

function revisionOf(value: number, { revision, compactRevision }: Meaning): number {
  if (isNear(value, CURRENT)) return revision + (value - CURRENT);
  return isNear(value, COMPACTED) ? compactRevision + (value - COMPACTED) : value;
}

function leaseOf(value: bigint, { leases }: Meaning): bigint {
  return isSlot(value) ? (leases.get(Number(value - LEASE_SLOT)) ?? value) : value;
}
