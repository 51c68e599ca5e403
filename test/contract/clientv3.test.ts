/**
 * What an application sees that uses etcd's own Go client: results, errors by name, and what the client itself decides.
 * The scenarios are in bench/peers/etcd/clientv3; revisions are counted from the one at which a scenario begins.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { goMissingReason } from "../../bench/peers/build.ts";
import { clientv3Scenarios } from "../support/clientv3.ts";
import type { SeenError } from "../support/clientv3.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";
import {
  COMPACTED,
  FUTURE_REVISION,
  KEY_NOT_FOUND,
  KEY_NOT_PROVIDED,
  LEASE_NOT_FOUND,
  REQUEST_TOO_LARGE,
} from "./answers.ts";

/** An error that the client has a name for. */
const named = (code: number, text: string): SeenError => ({ etcdError: true, code, text });
const nameless = (code: number, text: string): SeenError => ({ etcdError: false, code, text });

const compacted = named(...COMPACTED);
const futureRevision = named(...FUTURE_REVISION);
const keyNotProvided = named(...KEY_NOT_PROVIDED);
const leaseNotFound = named(...LEASE_NOT_FOUND);
const requestTooLarge = named(...REQUEST_TOO_LARGE);
/** What gRPC's own checks of sizes say. */
const exhausted = (text: string): SeenError => nameless(8, `rpc error: code = ResourceExhausted desc = ${text}`);
const unimplemented = (text: string): SeenError => nameless(12, `rpc error: code = Unimplemented desc = ${text}`);

/** A watch that ends as it begins. */
const endedWatch = (err: SeenError, compactRevision = 0): unknown => ({
  canceled: true,
  cancelReason: "",
  compactRevision,
  err,
  events: 0,
  more: false,
});

/** What a client sees that brings a login where none is wanted. */
const undisturbed = { put: null, created: true, events: ["PUT a=1 @1"], keepAlive: leaseNotFound };

const SCENARIOS: Readonly<Record<string, unknown>> = {
  "a watch from a compacted revision": endedWatch(compacted, 3),
  "a watch from a negative revision": endedWatch(compacted),
  "a watch of an empty range": endedWatch(nameless(2, "mvcc: watcher range is empty")),
  "a watch that tells of history, of news and of progress, and is left": {
    created: true,
    history: ["PUT a=1 @1"],
    news: ["PUT a=2 @2 before 1"],
    end: ["DELETE a= @3 before 2"],
    progress: [true, 3],
    left: [false, null],
  },
  "a watch that waits for a revision to come": { first: ["PUT a=3 @3"], second: ["PUT a=4 @4"] },
  "a lease from its grant to its revocation": {
    granted: 600,
    error: "",
    kept: 600,
    streamed: 600,
    grantedTtl: 600,
    restWithin: true,
    keys: 1,
    after: 0,
    revokedAgain: leaseNotFound,
  },
  "an unknown lease": {
    keepAliveOnce: leaseNotFound,
    keepAlive: false,
    put: leaseNotFound,
    revoke: leaseNotFound,
    rest: -1,
    granted: 0,
    id: 4242,
    keys: 0,
  },
  "grants that are refused": {
    id: 77,
    taken: named(9, "etcdserver: lease already exists"),
    long: named(11, "etcdserver: too large lease TTL"),
    longest: 9_000_000_000,
  },
  "revisions that are gone and to come": {
    gone: compacted,
    toCome: futureRevision,
    compactGone: compacted,
    compactToCome: futureRevision,
    compactToComePhysical: futureRevision,
    kept: "2",
  },
  "transactions that are refused": {
    tooMany: named(3, "etcdserver: too many operations in txn request"),
    fit: null,
    twice: named(3, "etcdserver: duplicate key given in txn request"),
    either: null,
    toCome: futureRevision,
    passed: 1,
  },
  "puts that are refused": {
    noKey: keyNotProvided,
    notThere: named(...KEY_NOT_FOUND),
    valueGiven: named(3, "etcdserver: value is provided"),
    leaseGiven: named(3, "etcdserver: lease is provided"),
    passed: 0,
  },
  "puts that are too large": {
    "below1.5MiB": null,
    passed: 1,
    "from1.5MiB": requestTooLarge,
    below2MiB: requestTooLarge,
    // The client lets no more than that go, unless its configuration says so: then it is up to the server.
    from2MiB: exhausted("trying to send message larger than max (2097184 vs. 2097152)"),
    from2MiBPatient: exhausted("grpc: received message larger than max (2097184 vs. 2097152)"),
    from4MiBPatient: exhausted("trying to send message larger than max (4194336 vs. 4194304)"),
  },
  "keys in order, in pages, and none": {
    last: ["c=c2 @6"],
    page: ["a=a2 @2", "b=b2 @4"],
    more: true,
    count: 3,
    deleted: 3,
    before: ["a=a2 @2", "b=b2 @4", "c=c2 @6"],
    none: 0,
    sort: named(3, "etcdserver: invalid sort option"),
    noKey: keyNotProvided,
  },
  "a list that comes as a stream": {
    all: ["a=a1 @1", "b=b1 @2", "c=c1 @3"],
    count: 3,
    more: false,
    at: 3,
    page: ["a=a1 @1", "b=b1 @2"],
    pageCount: 3,
    pageMore: true,
    toCome: futureRevision,
    gone: compacted,
    sorted: unimplemented("RangeStream does not support custom sort orders"),
    filtered: unimplemented("RangeStream does not support revision filters"),
    noKey: keyNotProvided,
  },
  "calls that their caller ends": {
    deadline: nameless(2, "context deadline exceeded"),
    isDeadline: true,
    canceled: nameless(2, "context canceled"),
    isCanceled: true,
    watch: false,
    keepAlive: nameless(2, "context canceled"),
    passed: 0,
  },
  "a client with a name and a password, where nobody asks for them": undisturbed,
  "a client with a token, where nobody asks for it": undisturbed,
  "logging in where nobody has to": {
    login: named(9, "etcdserver: authentication is not enabled"),
    enabled: false,
    authRevision: 1,
  },
  "optimistic puts": {
    create: [true, 1, ""],
    update: [true, 2, ""],
    stale: [false, 2, ""],
    staleWithGet: [false, 2, "a=2 @2"],
    exists: [false, 2, "a=2 @2"],
    notThere: [false, 2, ""],
    lease: leaseNotFound,
  },
  "optimistic deletes": {
    stale: [false, 2, ""],
    staleWithGet: [false, 2, "a=2 @2"],
    notThere: [false, 2, ""],
    fresh: [true, 3, ""],
    again: [false, 3, ""],
    nothing: [true, 3, ""],
  },
  "lists for Kubernetes": {
    first: [["a=a2 @2", "b=b2 @4"], 3, 6],
    rest: [["c=c2 @6"], 1, 6],
    before: [["a=a2 @2", "b=b1 @3"], 2, 6],
    one: ["a=a1 @1", 6],
    none: ["", 6],
    count: 3,
    gone: compacted,
    getGone: compacted,
    toCome: futureRevision,
  },
  "the state of the one member": {
    version: "3.7.3",
    leads: true,
    errors: 0,
    learner: false,
    sizes: true,
    applied: true,
    members: 1,
    serializable: 1,
    same: true,
    name: "default",
    isLearner: false,
    synced: true,
  },
  "the hash of the keyspace": {
    at: [2, 3, 2],
    changes: true,
    repeats: true,
    compactRevision: 2,
    toCome: futureRevision,
    gone: compacted,
  },
  "alarms and defragmentation": { alarms: 0, disarmed: 0, defragment: null, passed: 0 },
};

const goMissing = goMissingReason();

describe.skipIf(goMissing !== null)(goMissing ?? "clientv3", () => {
  describeStores("clientv3", (start) => {
    const shared = new SharedStore(start);
    let seen: ReadonlyMap<string, unknown>;

    beforeAll(async () => {
      seen = await clientv3Scenarios(shared.store.url);
    });

    test.for(Object.keys(SCENARIOS))("%s", (name) => expect(seen.get(name)).toEqual(SCENARIOS[name]));

    test("every scenario is looked at", () => expect([...seen.keys()]).toEqual(Object.keys(SCENARIOS)));
  });
});
