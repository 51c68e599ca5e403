import * as fc from "fast-check";
import { expect, test } from "vitest";
import { leaseKeysPart, leaseStatusesPart } from "../../proto/lease-lists.ts";
import { leaseLeasesResponse, leaseTimeToLiveResponse } from "../../proto/rare.ts";

const HEADER = { clusterId: 1n, memberId: 2n, revision: 3, raftTerm: 4 };
const id = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).filter((each) => each !== 0n);

test("an answer without its list, and parts with all of the list behind it, are the answer", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array()), fc.array(id), fc.nat(5), (bytes, ids, cut) => {
      const keys = bytes.map((each) => Buffer.from(each));
      const time = { header: HEADER, ID: -7n, TTL: 8, grantedTTL: 9 };
      const parts = [leaseKeysPart(keys.slice(0, cut)), leaseKeysPart(keys.slice(cut))];
      const whole = Buffer.concat([leaseTimeToLiveResponse.encode({ ...time, keys: [] }), ...parts]);
      expect(whole).toEqual(Buffer.from(leaseTimeToLiveResponse.encode({ ...time, keys })));
      const statuses = [leaseStatusesPart(ids.slice(0, cut)), leaseStatusesPart(ids.slice(cut))];
      const leases = Buffer.concat([leaseLeasesResponse.encode({ header: HEADER, leases: [] }), ...statuses]);
      expect(leases).toEqual(
        Buffer.from(leaseLeasesResponse.encode({ header: HEADER, leases: ids.map((ID) => ({ ID })) })),
      );
    }),
  );
});
