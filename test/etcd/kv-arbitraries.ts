/** Random requests of KV over few keys, values and revisions, so that they meet. Every field takes every kind of value. */
import fc from "fast-check";
import type { Compare, RequestOp, TxnRequest } from "../../proto/messages.ts";
import { compare, deleteRequest, putRequest, rangeRequest } from "../../bench/client/requests.ts";
import { TXN_TREE_OPS_FACTOR } from "../../server/limits.ts";
import { compacted, current, LEASE_SLOTS, leaseSlot } from "./symbols.ts";

const EMPTY = Buffer.alloc(0);
export const ZERO_BYTE = Buffer.of(0);

/** Keys inside Plinth's partitions, beside them, between them, and of bytes that are no text. */
const KEYS = [
  ZERO_BYTE,
  Buffer.from("/registry/"),
  Buffer.from("/registry//x"),
  Buffer.from("/registry/leases/a"),
  Buffer.from("/registry/pods"),
  Buffer.from("/registry/pods/a"),
  Buffer.from("/registry/pods/a/b"),
  Buffer.from("/registry/pods/b"),
  Buffer.from("/registry/pods/c"),
  Buffer.from("/registry/pods0"),
  Buffer.from("/registry/podsx/a"),
  Buffer.from("a"),
  Buffer.from([0x61, 0]),
  Buffer.from("b"),
  Buffer.from("compact_rev_key"),
  Buffer.from([0xff]),
  Buffer.from([0xff, 0xfe, 0]),
  Buffer.from([0xff, 0xff]),
];

const PREFIX_ENDS = [Buffer.from("/registry0"), Buffer.from("/registry/pods0"), Buffer.from("/registry/pods/b0")];

/** Ids that clients choose. Zero, which asks the server to choose, is not among them. */
export const ownLeaseId = fc.constantFrom(1n, -7n, 5_000n, 2n ** 63n - 1n, -(2n ** 63n));
export const leaseId = fc.oneof(
  { weight: 3, arbitrary: ownLeaseId },
  { weight: 1, arbitrary: fc.nat(LEASE_SLOTS - 1).map(leaseSlot) },
);

export const presentKey = fc.constantFrom(...KEYS);
const key = fc.oneof({ weight: 250, arbitrary: presentKey }, { weight: 1, arbitrary: fc.constant(EMPTY) });

export const rangeEnd = fc.oneof(
  { weight: 4, arbitrary: fc.constant(EMPTY) },
  { weight: 3, arbitrary: fc.constant(ZERO_BYTE) },
  { weight: 3, arbitrary: fc.constantFrom(...PREFIX_ENDS) },
  { weight: 3, arbitrary: presentKey },
);

const value = fc.constantFrom(
  EMPTY,
  Buffer.from("v"),
  Buffer.from("w"),
  Buffer.from("x"),
  Buffer.from([0xff, 0]),
  ZERO_BYTE,
  Buffer.alloc(300, "long"),
);

/** A revision to read or compact at: mostly a recent one, sometimes one that cannot be. */
export const revision = fc.oneof(
  { weight: 10, arbitrary: fc.integer({ min: -14, max: 0 }).map(current) },
  { weight: 4, arbitrary: fc.integer({ min: -1, max: 3 }).map(compacted) },
  { weight: 1, arbitrary: fc.constantFrom(current(1), current(2), 2 ** 62, 0, 1, -1, -(2 ** 62)) },
);

const put = fc
  .record({
    key,
    value,
    lease: fc.oneof({ weight: 3, arbitrary: fc.constant(0n) }, { weight: 1, arbitrary: leaseId }),
    prevKv: fc.boolean(),
    ignore: fc.integer({ min: 0, max: 59 }),
  })
  .map(({ ignore, ...fields }) => {
    // 1 to 6 with nothing to ignore, which is right; 7 and 8 with something, which is refused.
    const ignoreValue = [1, 2, 5, 6, 7].includes(ignore);
    const ignoreLease = [3, 4, 5, 6, 8].includes(ignore);
    return putRequest(fields.key, ignoreValue && ignore < 7 ? EMPTY : fields.value, {
      lease: ignoreLease && ignore < 7 ? 0n : fields.lease,
      prevKv: fields.prevKv,
      ignoreValue,
      ignoreLease,
    });
  });

/** Mostly of one key, so that there are keys. */
const deleteRange = fc
  .tuple(key, fc.oneof({ weight: 4, arbitrary: fc.constant(EMPTY) }, { weight: 1, arbitrary: rangeEnd }), fc.boolean())
  .map((fields) => deleteRequest(...fields));

const bound = fc.oneof(
  { weight: 25, arbitrary: fc.constant(0) },
  { weight: 3, arbitrary: fc.integer({ min: -14, max: 1 }).map(current) },
  { weight: 1, arbitrary: fc.constantFrom(1, 2 ** 62, -5) },
);

const range = fc
  .record({
    key: fc.oneof({ weight: 3, arbitrary: key }, { weight: 1, arbitrary: fc.constant(ZERO_BYTE) }),
    rangeEnd: fc.oneof({ weight: 2, arbitrary: rangeEnd }, { weight: 1, arbitrary: fc.constant(ZERO_BYTE) }),
    limit: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 6 }), fc.constantFrom(-1, 40, 2 ** 62)),
    revision: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: revision }),
    sortOrder: fc.oneof({ weight: 100, arbitrary: fc.constantFrom(0, 0, 1, 2) }, fc.constantFrom(3, -1)),
    sortTarget: fc.oneof({ weight: 100, arbitrary: fc.constantFrom(0, 0, 0, 1, 2, 3, 4) }, fc.constantFrom(5, -1)),
    serializable: fc.boolean(),
    keysOnly: fc.constantFrom(false, false, true),
    countOnly: fc.constantFrom(false, false, false, true),
    minModRevision: bound,
    maxModRevision: bound,
    minCreateRevision: bound,
    maxCreateRevision: bound,
  })
  .map((fields) => rangeRequest(fields.key, fields));

/** A member of the oneof that belongs to the target, another one, or none. */
const union = fc.constantFrom("own", "own", "own", "own", "none", "other");

const oneCompare = fc
  .record({
    key,
    rangeEnd: fc.oneof({ weight: 4, arbitrary: fc.constant(EMPTY) }, { weight: 1, arbitrary: rangeEnd }),
    result: fc.oneof({ weight: 20, arbitrary: fc.nat(3) }, { weight: 1, arbitrary: fc.constantFrom(4, -1) }),
    target: fc.oneof({ weight: 20, arbitrary: fc.nat(4) }, { weight: 1, arbitrary: fc.constantFrom(5, -1) }),
    version: fc.integer({ min: -1, max: 4 }),
    revision: fc.oneof(fc.constant(0), fc.integer({ min: -14, max: 1 }).map(current)),
    value,
    lease: fc.oneof(fc.constant(0n), ownLeaseId),
    union,
  })
  .map(({ union: which, version, revision: number, value: bytes, lease, target, ...fields }): Compare => {
    const own = target >= 0 && target <= 4 ? target + 4 : 4;
    const member = which === "none" ? 0 : which === "own" ? own : 4 + ((own - 3) % 5);
    const numbers = [version, number, number];
    return compare(fields.key, {
      ...fields,
      target,
      union: member,
      number: member >= 4 && member <= 6 ? numbers[member - 4] : 0,
      value: member === 7 ? bytes : EMPTY,
      lease: member === 8 ? lease : 0n,
    });
  });

/** Operations in one list: few, or about as many as --max-txn-ops of the servers compared allows. */
const manyOps = { minLength: 14, maxLength: 18, size: "max" } as const;

const leafOp = fc.oneof(
  { weight: 5, arbitrary: put.map((request): RequestOp => ({ case: "put", request })) },
  { weight: 2, arbitrary: deleteRange.map((request): RequestOp => ({ case: "deleteRange", request })) },
  { weight: 4, arbitrary: range.map((request): RequestOp => ({ case: "range", request })) },
);

/** Reads and puts of keys of their own: long lists that are not refused for a key that is given twice. */
const manyDifferentPuts = fc
  .array(value, manyOps)
  .map((values) =>
    values.map((bytes, i): RequestOp => ({ case: "put", request: putRequest(`/registry/many/${i}`, bytes) })),
  );

const { txn } = fc.letrec<{ txn: TxnRequest; op: RequestOp; list: RequestOp[] }>((tie) => ({
  op: fc.oneof(
    { depthSize: "small" },
    { weight: 200, arbitrary: leafOp },
    { weight: 40, arbitrary: tie("txn").map((request): RequestOp => ({ case: "txn", request })) },
    { weight: 1, arbitrary: fc.constant<RequestOp>({ case: "none" }) },
  ),
  list: fc.oneof(
    { weight: 200, arbitrary: fc.array(tie("op"), { maxLength: 4 }) },
    { weight: 1, arbitrary: fc.array(leafOp, manyOps) },
    { weight: 1, arbitrary: manyDifferentPuts },
  ),
  txn: fc.record({
    compare: fc.oneof(
      { weight: 150, arbitrary: fc.array(oneCompare, { maxLength: 2 }) },
      { weight: 1, arbitrary: fc.array(oneCompare, manyOps) },
    ),
    success: tie("list"),
    failure: tie("list"),
  }),
}));

/** A limit of Plinth's alone, which is as much of what the servers compared allow in one list (`TXN_OPS_MAX`). */
const OPS_IN_ALL_MAX = 16 * TXN_TREE_OPS_FACTOR;

/** Operations and compares of a txn and of those inside it. */
function opsInAll({ compare: compares, success, failure }: TxnRequest): number {
  let sum = compares.length + success.length + failure.length;
  for (const op of [...success, ...failure]) if (op.case === "txn") sum += opsInAll(op.request);
  return sum;
}

/** Without what UNASKED in freedoms.ts says of txns. */
function survivable(request: TxnRequest): TxnRequest {
  return deletesFromKeyOn(request) ? withoutIgnoring(request) : request;
}

/** Whether a txn may delete a key and then put it: etcd does not see that a delete without an end overlaps a put (TX-06). */
export function mayRecreate(request: TxnRequest): boolean {
  return deletesFromKeyOn(request) && puts(request);
}

function puts({ success, failure }: TxnRequest): boolean {
  return [...success, ...failure].some((op) => op.case === "put" || (op.case === "txn" && puts(op.request)));
}

function deletesFromKeyOn({ success, failure }: TxnRequest): boolean {
  return [...success, ...failure].some((op) => {
    if (op.case === "txn") return deletesFromKeyOn(op.request);
    return op.case === "deleteRange" && op.request.rangeEnd.equals(ZERO_BYTE);
  });
}

function withoutIgnoring(request: TxnRequest): TxnRequest {
  const changed = (op: RequestOp): RequestOp => {
    if (op.case === "txn") return { case: "txn", request: withoutIgnoring(op.request) };
    return op.case === "put" ? { ...op, request: { ...op.request, ignoreValue: false, ignoreLease: false } } : op;
  };
  return { ...request, success: request.success.map(changed), failure: request.failure.map(changed) };
}

/** Requests of KV, by the name of the command that sends them. */
export const kvRequests = {
  put,
  deleteRange,
  range,
  txn: txn.filter((request) => opsInAll(request) <= OPS_IN_ALL_MAX).map(survivable),
};
