/**
 * Asks one server for as much as a small request can, again and again, one kind after the other. Arguments: the URL and a
 * seed. What it is answered does not matter; those beside it must not notice.
 */
import http2 from "node:http2";
import { gzipSync } from "node:zlib";
import { TARGET_MOD, UNION_MOD } from "../../../proto/messages.ts";
import type { RequestOp } from "../../../proto/messages.ts";
import {
  writeDeleteRangeRequest,
  writePutRequest,
  writeRangeRequest,
  writeTxnRequest,
} from "../../../proto/request-writers.ts";
import { Writer } from "../../../proto/writer.ts";
import {
  compare,
  deleteRequest,
  nested,
  prefixEnd,
  put,
  putRequest,
  range,
  rangeRequest,
  txnRequest,
  watchCreateRequest,
} from "../../../bench/client/requests.ts";
import { LeanClient } from "../../../bench/client/lean-client.ts";
import { tellAtWork } from "../../../bench/tell-starter.ts";
import { EtcdClient } from "../../support/etcd-client.ts";
import { Random } from "../../guarantees/traffic/random.ts";
import { delay } from "../../support/delay.ts";
import { POPULATION_PREFIX, populationKey } from "../population.ts";

const [url, seed] = process.argv.slice(2);
const random = new Random(Number(seed));
const end = prefixEnd(POPULATION_PREFIX);
const twoHundredThousand = Buffer.from(populationKey(200_000));
const thirtyThousand = Buffer.from(populationKey(30_000));

function encode<Request>(write: (writer: Writer, request: Request) => void, request: Request): Buffer {
  const writer = new Writer();
  write(writer, request);
  return Buffer.from(writer.copy());
}

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

/** A message of that many bytes of two, which is a field each: small when it is compressed. */
function emptyFields(field: number, count: number): Buffer {
  return Buffer.alloc(count * 2, Buffer.from([(field << 3) | 2, 0]));
}

const ATTACKS: Readonly<Record<string, (client: EtcdClient) => Promise<unknown>>> = {
  "compares of wide ranges": ({ lean }) => {
    const wide = times(128, () =>
      compare(POPULATION_PREFIX, { rangeEnd: twoHundredThousand, target: TARGET_MOD, union: UNION_MOD, number: 1 }),
    );
    return lean.call("/etcdserverpb.KV/Txn", encode(writeTxnRequest, txnRequest([put("/hostile/a")], [], wide)));
  },
  "nested txns that count": ({ lean }) => {
    const counts: RequestOp[] = times(120, () => range(POPULATION_PREFIX, { rangeEnd: end, countOnly: true }));
    let txn = nested(counts);
    for (let depth = 0; depth < 6; depth++) txn = nested([...counts.slice(1), txn]);
    return lean.call("/etcdserverpb.KV/Txn", encode(writeTxnRequest, txnRequest([txn])));
  },
  "counts at an older revision": async (client) => {
    const past = ((await client.status()).header?.revision ?? 0) - 100;
    const counts = times(128, () => range(POPULATION_PREFIX, { rangeEnd: end, countOnly: true, revision: past }));
    await client.lean.call("/etcdserverpb.KV/Txn", encode(writeTxnRequest, txnRequest(counts)));
  },
  "sorted ranges": ({ lean }) => {
    const sorted = times(100, () =>
      range(POPULATION_PREFIX, { rangeEnd: thirtyThousand, sortOrder: 2, sortTarget: 3, limit: 1 }),
    );
    return lean.call("/etcdserverpb.KV/Txn", encode(writeTxnRequest, txnRequest(sorted)));
  },
  "many watches and much progress": async (client) => {
    const stream = client.watch();
    for (let i = 0; i < 20_000; i++) {
      stream.send({ case: "create", request: watchCreateRequest(`/hostile/${i}`) });
      if (i % 1_000 === 999) await delay(20);
    }
    for (let i = 0; i < 2_000; i++) stream.requestProgress();
    await delay(2_000);
  },
  "filters without end": () => gzipped("/etcdserverpb.Watch/Watch", watchWithFilters(2_000_000)),
  "operations without end": () => gzipped("/etcdserverpb.KV/Txn", emptyFields(2, 1_000_000)),
  "compares without end": () => gzipped("/etcdserverpb.KV/Txn", emptyFields(1, 1_000_000)),
  "a list of everything that nobody reads": async ({ lean }) => {
    const request = encode(writeRangeRequest, rangeRequest(POPULATION_PREFIX, { rangeEnd: end }));
    lean.unary("/etcdserverpb.KV/Range", request, () => {});
    lean.pauseReading();
    await delay(3_000);
  },
  "a list of everything": ({ lean }) =>
    lean.call(
      "/etcdserverpb.KV/Range",
      encode(writeRangeRequest, rangeRequest(POPULATION_PREFIX, { rangeEnd: end, keysOnly: true })),
    ),
  "a lease with many keys": async (client) => {
    const { ID } = await client.leaseGrant({ ID: 0n, TTL: 60 });
    for (let first = 0; first < 20_000; first += 128) {
      const puts = times(128, (i) => put(`/hostile/leased/${first + i}`, "", { lease: ID }));
      await client.lean.call("/etcdserverpb.KV/Txn", encode(writeTxnRequest, txnRequest(puts)));
    }
    await client.leaseTimeToLive(ID, true);
    await client.leaseLeases();
    await client.leaseRevoke(ID);
  },
  "a delete of many keys": async ({ lean }) => {
    for (let first = 0; first < 10_000; first += 128) {
      const puts = times(128, (i) => put(`/hostile/deleted/${first + i}`));
      await lean.call("/etcdserverpb.KV/Txn", encode(writeTxnRequest, txnRequest(puts)));
    }
    const request = deleteRequest("/hostile/deleted/", prefixEnd("/hostile/deleted/"));
    await lean.call("/etcdserverpb.KV/DeleteRange", encode(writeDeleteRangeRequest, request));
  },
  "large values": async ({ lean }) => {
    const value = Buffer.alloc(1_500_000);
    for (let i = 0; i < 8; i++) {
      await lean.call("/etcdserverpb.KV/Put", encode(writePutRequest, putRequest(`/hostile/large/${i}`, value)));
    }
  },
  "hashes of everything": ({ lean }) => lean.call("/etcdserverpb.Maintenance/HashKV", Buffer.alloc(0)),
  "wrong passwords": (client) =>
    Promise.allSettled(
      times(50, () =>
        client.lean.call("/etcdserverpb.Auth/Authenticate", Buffer.from("\x0a\x04root\x12\x05wrong", "latin1")),
      ),
    ),
};

/** A watch create request with that many filters, each a field of two bytes. */
function watchWithFilters(count: number): Buffer {
  const filters = Buffer.alloc(count * 2, Buffer.from([5 << 3, 0]));
  const create = Buffer.concat([Buffer.from("\x0a\x08/hostile", "latin1"), filters]);
  const length: number[] = [];
  for (let left = create.length; left > 0; left >>>= 7) length.push((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
  return Buffer.concat([Buffer.from([0x0a, ...length]), create]);
}

/** Sends one compressed message and waits for the end of the call. */
function gzipped(path: string, message: Buffer): Promise<void> {
  const body = gzipSync(message);
  const framed = Buffer.alloc(5 + body.length);
  framed[0] = 1;
  framed.writeUInt32BE(body.length, 1);
  body.copy(framed, 5);
  return new Promise((resolve) => {
    const session = http2.connect(url);
    session.on("error", () => resolve());
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      "grpc-encoding": "gzip",
      te: "trailers",
    });
    stream.on("error", () => {});
    stream.on("close", () => {
      session.destroy();
      resolve();
    });
    stream.resume();
    stream.end(framed);
  });
}

async function attack(): Promise<void> {
  const lean = await LeanClient.connect(url);
  try {
    const client = new EtcdClient(lean);
    // Each has an end of its own; the server's end is another.
    await Promise.race([random.pick(Object.values(ATTACKS))(client), lean.closed]);
  } finally {
    lean.destroy();
  }
}

tellAtWork();
for (;;) {
  // Refused, or the server is down: the next one comes all the same.
  await attack().catch(() => undefined);
  await delay(random.integer(50, 500));
}
