/** Random steps against a keyspace, over few keys and revisions so that they meet. */
import fc from "fast-check";
import type { RequestOp } from "../../proto/messages.ts";
import { compareRequest, deleteRequest, FROM_KEY, putRequest, rangeRequest } from "./requests.ts";

/** Keys inside partitions, beside them, between them, and of bytes that are no text. */
const KEYS = [
  Buffer.from([0]),
  Buffer.from("/registry/"),
  Buffer.from("/registry//x"),
  Buffer.from("/registry/events/default/one"),
  Buffer.from("/registry/leases/a"),
  Buffer.from("/registry/pods"),
  Buffer.from("/registry/pods/a"),
  Buffer.from("/registry/pods/a/b"),
  Buffer.from("/registry/pods/b"),
  Buffer.from("/registry/pods0"),
  Buffer.from("/registry/podsx"),
  Buffer.from("/registry/podsx/a"),
  Buffer.from("a"),
  Buffer.from([0x61, 0]),
  Buffer.from([0xff]),
  Buffer.from([0xff, 0xfe, 0]),
  Buffer.from([0xff, 0xff]),
];

const EMPTY = Buffer.alloc(0);
const PREFIX_ENDS = [Buffer.from("/registry0"), Buffer.from("/registry/pods0"), Buffer.from("b")];

export const key = fc.constantFrom(...KEYS);
export const leaseId = fc.constantFrom(1n, -7n, 9_007_199_254_740_993n);

const value = fc.constantFrom(EMPTY, Buffer.from("v"), Buffer.from("w"), Buffer.from([0xff, 0]), Buffer.from([0]));
export const rangeEnd = fc.oneof(
  { weight: 3, arbitrary: fc.constant(EMPTY) },
  { weight: 2, arbitrary: fc.constant(FROM_KEY) },
  { weight: 2, arbitrary: fc.constantFrom(...PREFIX_ENDS) },
  { weight: 2, arbitrary: key },
);

/** Revisions are counted back from the current one, which only the run knows; -1 is one too many. */
export const revisionsBack = fc.integer({ min: -1, max: 12 });

const put = fc
  .record({
    key,
    value,
    lease: fc.oneof({ weight: 2, arbitrary: fc.constant(0n) }, { weight: 1, arbitrary: leaseId }),
    prevKv: fc.boolean(),
    ignore: fc.integer({ min: 0, max: 9 }),
  })
  .map(({ ignore, ...fields }) => {
    const ignoreValue = ignore === 1 || ignore === 3;
    const ignoreLease = ignore === 2 || ignore === 3;
    return putRequest(fields.key, ignoreValue ? EMPTY : fields.value, {
      lease: ignoreLease ? 0n : fields.lease,
      prevKv: fields.prevKv,
      ignoreValue,
      ignoreLease,
    });
  });

const deleteRange = fc.tuple(key, rangeEnd, fc.boolean()).map((args) => deleteRequest(...args));

const bound = fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(20) });

/** A range whose `revision` is 0, or counts back from the current one as its negative less one. */
const range = fc
  .record({
    key,
    rangeEnd,
    limit: fc.integer({ min: -1, max: 4 }),
    back: fc.option(revisionsBack, { nil: null }),
    sortOrder: fc.constantFrom(0, 0, 1, 2),
    sortTarget: fc.constantFrom(0, 0, 1, 2, 3, 4),
    keysOnly: fc.boolean(),
    countOnly: fc.constantFrom(false, false, true),
    minModRevision: bound,
    maxModRevision: bound,
    minCreateRevision: bound,
    maxCreateRevision: bound,
  })
  .map(({ back, ...fields }) => ({ back, request: rangeRequest(fields.key, fields.rangeEnd, fields) }));

const compare = fc
  .record({
    key,
    rangeEnd: fc.oneof({ weight: 4, arbitrary: fc.constant(EMPTY) }, { weight: 1, arbitrary: rangeEnd }),
    result: fc.nat(3),
    target: fc.nat(4),
    number: fc.nat(12),
    value,
    lease: fc.oneof(fc.constant(0n), leaseId),
    isSet: fc.boolean(),
  })
  .map(({ isSet, number, value: given, lease, target, ...fields }) =>
    // The member of the oneof belongs to the target, or is not set at all.
    compareRequest(fields.key, {
      ...fields,
      target,
      number: isSet && target < 3 ? number : 0,
      value: isSet && target === 3 ? given : EMPTY,
      lease: isSet && target === 4 ? lease : 0n,
      union: isSet ? target + 4 : 0,
    }),
  );

interface TxnStep {
  compare: ReturnType<typeof compareRequest>[];
  success: OpStep[];
  failure: OpStep[];
}

type OpStep = { op: RequestOp; back: number | null } | { txn: TxnStep };

const { txn } = fc.letrec<{ txn: TxnStep; op: OpStep; list: OpStep[] }>((tie) => ({
  op: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    { weight: 4, arbitrary: put.map((request) => ({ op: { case: "put" as const, request }, back: null })) },
    {
      weight: 2,
      arbitrary: deleteRange.map((request) => ({ op: { case: "deleteRange" as const, request }, back: null })),
    },
    { weight: 3, arbitrary: range.map(({ request, back }) => ({ op: { case: "range" as const, request }, back })) },
    { weight: 1, arbitrary: tie("txn").map((inner) => ({ txn: inner })) },
  ),
  list: fc.array(tie("op"), { maxLength: 4 }),
  txn: fc.record({ compare: fc.array(compare, { maxLength: 2 }), success: tie("list"), failure: tie("list") }),
}));

/** The same without writes. */
const { txn: readTxn } = fc.letrec<{ txn: TxnStep; op: OpStep; list: OpStep[] }>((tie) => ({
  op: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    { weight: 3, arbitrary: range.map(({ request, back }) => ({ op: { case: "range" as const, request }, back })) },
    { weight: 1, arbitrary: tie("txn").map((inner) => ({ txn: inner })) },
  ),
  list: fc.array(tie("op"), { maxLength: 4 }),
  txn: fc.record({ compare: fc.array(compare, { maxLength: 3 }), success: tie("list"), failure: tie("list") }),
}));

export type { TxnStep, OpStep };

const kv = {
  put: put.map((request) => ({ step: "put" as const, request })),
  delete: deleteRange.map((request) => ({ step: "delete" as const, request })),
  range: range.map(({ request, back }) => ({ step: "range" as const, request, back })),
  stream: range.map(({ request, back }) => ({ step: "stream" as const, request, back })),
  heldRead: fc
    .record({
      range,
      isWide: fc.nat(3),
      maxKeys: fc.integer({ min: 1, max: 4 }),
      maxBytes: fc.integer({ min: 1, max: 200 }),
    })
    .map(({ range: { request, back }, isWide, ...most }) => {
      const { key: start, rangeEnd: end } = isWide === 0 ? request : rangeRequest(FROM_KEY, FROM_KEY);
      return { step: "heldRead" as const, request: { ...request, key: start, rangeEnd: end }, back, ...most };
    }),
  heldTxn: fc
    .record({ request: readTxn, maxLooks: fc.integer({ min: 1, max: 6 }), maxBytes: fc.integer({ min: 1, max: 200 }) })
    .map((fields) => ({ step: "heldTxn" as const, ...fields })),
  heldSnapshot: fc.record({ step: fc.constant("heldSnapshot" as const), maxLooks: fc.integer({ min: 1, max: 4 }) }),
  restart: fc.record({ step: fc.constant("restart" as const), maxLooks: fc.integer({ min: 1, max: 4 }) }),
  heldHash: fc
    .record({
      back: fc.option(revisionsBack, { nil: null }),
      isWhole: fc.boolean(),
      maxChanges: fc.integer({ min: 1, max: 6 }),
      maxBytes: fc.integer({ min: 1, max: 200 }),
    })
    .map((fields) => ({ step: "heldHash" as const, ...fields })),
  readOn: fc.nat().map((which) => ({ step: "readOn" as const, which })),
  txn: txn.map((request) => ({ step: "txn" as const, request })),
  compact: revisionsBack.map((back) => ({ step: "compact" as const, back })),
  compactStep: fc.integer({ min: 1, max: 5 }).map((entries) => ({ step: "compactStep" as const, entries })),
  grant: leaseId.map((id) => ({ step: "grant" as const, id })),
  revoke: leaseId.map((id) => ({ step: "revoke" as const, id })),
  alarm: fc.boolean().map((active) => ({ step: "alarm" as const, active })),
};

const watch = {
  create: fc
    .record({
      key: fc.oneof(key, fc.constant(FROM_KEY)),
      rangeEnd,
      back: fc.option(fc.integer({ min: -3, max: 12 }), { nil: null }),
      filters: fc.subarray([0, 1, 5]),
      prevKv: fc.boolean(),
      /** The sink is full after each so manieth delivery. */
      room: fc.integer({ min: 1, max: 4 }),
    })
    .map((fields) => ({ step: "watch" as const, ...fields })),
  flush: fc.constant({ step: "flush" as const }),
  catchUp: fc.integer({ min: 1, max: 6 }).map((changes) => ({ step: "catchUp" as const, changes })),
  resume: fc.nat().map((which) => ({ step: "resume" as const, which })),
  unwatch: fc.nat().map((which) => ({ step: "unwatch" as const, which })),
};

/** What the keyspace does, with few watchers. */
export const kvSteps = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: kv.put },
    { weight: 3, arbitrary: kv.delete },
    { weight: 6, arbitrary: kv.range },
    { weight: 2, arbitrary: kv.stream },
    { weight: 8, arbitrary: kv.txn },
    { weight: 2, arbitrary: kv.compact },
    { weight: 3, arbitrary: kv.compactStep },
    { weight: 2, arbitrary: kv.grant },
    { weight: 1, arbitrary: kv.revoke },
    { weight: 1, arbitrary: kv.alarm },
    { weight: 1, arbitrary: kv.restart },
    { weight: 1, arbitrary: watch.create },
    { weight: 1, arbitrary: watch.flush },
  ),
  { minLength: 1, maxLength: 60, size: "max" },
);

/** Many keys, and reads of many of them that last for many steps. */
export const readSteps = fc
  .tuple(
    fc.array(kv.put, { minLength: 10, maxLength: 30, size: "max" }),
    fc.array(
      fc.oneof(
        { weight: 6, arbitrary: kv.put },
        { weight: 2, arbitrary: kv.delete },
        { weight: 1, arbitrary: kv.txn },
        { weight: 6, arbitrary: kv.heldRead },
        { weight: 3, arbitrary: kv.heldHash },
        { weight: 3, arbitrary: kv.heldSnapshot },
        { weight: 6, arbitrary: kv.heldTxn },
        { weight: 15, arbitrary: kv.readOn },
        { weight: 2, arbitrary: kv.compact },
        { weight: 3, arbitrary: kv.compactStep },
        { weight: 1, arbitrary: kv.grant },
        { weight: 1, arbitrary: kv.revoke },
        { weight: 2, arbitrary: watch.flush },
      ),
      { minLength: 1, maxLength: 60, size: "max" },
    ),
  )
  .map(([puts, steps]) => [...puts, ...steps]);

/** What watchers see of it. */
export const watchSteps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: kv.put },
    { weight: 2, arbitrary: kv.delete },
    { weight: 3, arbitrary: kv.txn },
    { weight: 2, arbitrary: kv.compact },
    { weight: 3, arbitrary: kv.compactStep },
    { weight: 1, arbitrary: kv.grant },
    { weight: 1, arbitrary: kv.revoke },
    { weight: 3, arbitrary: watch.create },
    { weight: 4, arbitrary: watch.flush },
    { weight: 4, arbitrary: watch.catchUp },
    { weight: 4, arbitrary: watch.resume },
    { weight: 1, arbitrary: watch.unwatch },
  ),
  { minLength: 1, maxLength: 80, size: "max" },
);

export type Step = StepOf<typeof kvSteps> | StepOf<typeof readSteps> | StepOf<typeof watchSteps>;

type StepOf<Steps> = Steps extends fc.Arbitrary<(infer A)[]> ? A : never;
