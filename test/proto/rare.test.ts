import { Buffer } from "node:buffer";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as auth from "../../proto/auth.ts";
import { DecodeError } from "../../proto/decode-error.ts";
import { RARE_FIELDS_MAX } from "../../proto/limits.ts";
import type { MessageType } from "../../proto/message-type.ts";
import { messageType } from "../../proto/message-type.ts";
import type { ResponseHeader } from "../../proto/messages.ts";
import * as rare from "../../proto/rare.ts";
import { int64, int64Id, uint64, uint64Id } from "./arbitraries.ts";
import { lengthField, tag, varintField } from "./wire.ts";

const HEADER: ResponseHeader = { clusterId: 2n ** 64n - 1n, memberId: 2n ** 63n + 1n, revision: 7, raftTerm: 2 };

interface Sample {
  readonly name: string;
  /** Whether decoding what was encoded gives it back. */
  roundTrip(): { decoded: unknown; message: unknown };
}

/** The compiler checks that the message has all fields of its interface, the test that it has all of the .proto file. */
function sample<Message>(type: MessageType<Message>, message: Message): Sample {
  return { name: type.name, roundTrip: () => ({ decoded: type.decode(type.encode(message)), message }) };
}

const LEASE = -(2n ** 63n) + 1n;
const HASH = 0xfedcba98;
const STATUS: rare.StatusResponse = {
  header: HEADER,
  version: "3.7.0",
  dbSize: 2 ** 40,
  leader: 2n ** 64n - 2n,
  raftIndex: 2 ** 33,
  raftTerm: 4,
  raftAppliedIndex: 2 ** 34,
  errors: ["NOSPACE", ""],
  dbSizeInUse: 2 ** 39,
  isLearner: true,
  storageVersion: "3.7",
  dbSizeQuota: 2 ** 41,
  downgradeInfo: { enabled: true, targetVersion: "3.6.0" },
};
const MEMBER: rare.Member = {
  ID: 2n ** 64n - 3n,
  name: "zürich",
  peerURLs: ["http://a:2380", "http://b:2380"],
  clientURLs: ["http://a:2379"],
  isLearner: true,
};

const PERMISSION: auth.Permission = {
  permType: auth.PERMISSION_READWRITE,
  key: Buffer.from([0, 0xff]),
  rangeEnd: Buffer.from([0xff, 0xff]),
};

const samples: Sample[] = [
  sample(rare.leaseGrantRequest, { TTL: 9e9, ID: LEASE }),
  sample(rare.leaseGrantResponse, { header: HEADER, ID: LEASE, TTL: -1, error: "no" }),
  sample(rare.leaseRevokeRequest, { ID: LEASE }),
  sample(rare.leaseRevokeResponse, { header: HEADER }),
  sample(rare.leaseKeepAliveRequest, { ID: LEASE }),
  sample(rare.leaseKeepAliveResponse, { header: HEADER, ID: LEASE, TTL: 60 }),
  sample(rare.leaseTimeToLiveRequest, { ID: LEASE, keys: true }),
  sample(rare.leaseTimeToLiveResponse, {
    header: HEADER,
    ID: LEASE,
    TTL: -1,
    grantedTTL: 60,
    keys: [Buffer.from([0xff, 0]), Buffer.alloc(0)],
  }),
  sample(rare.leaseLeasesRequest, {}),
  sample(rare.leaseLeasesResponse, { header: HEADER, leases: [{ ID: LEASE }, { ID: 0n }] }),
  sample(rare.alarmRequest, {
    action: rare.ALARM_ACTION_DEACTIVATE,
    memberID: 2n ** 64n - 1n,
    alarm: rare.ALARM_NOSPACE,
  }),
  sample(rare.alarmResponse, { header: HEADER, alarms: [{ memberID: 1n, alarm: rare.ALARM_CORRUPT }] }),
  sample(rare.statusRequest, {}),
  sample(rare.statusResponse, STATUS),
  sample(rare.defragmentRequest, {}),
  sample(rare.defragmentResponse, { header: HEADER }),
  sample(rare.hashRequest, {}),
  sample(rare.hashResponse, { header: HEADER, hash: HASH }),
  sample(rare.hashKVRequest, { revision: 2 ** 40 }),
  sample(rare.hashKVResponse, { header: HEADER, hash: HASH, compactRevision: 5, hashRevision: 2 ** 40 }),
  sample(rare.snapshotRequest, {}),
  sample(rare.snapshotResponse, {
    header: HEADER,
    remainingBytes: 2 ** 35,
    blob: Buffer.from([0, 0xff, 0x80]),
    version: "3.7",
  }),
  sample(rare.moveLeaderRequest, { targetID: 2n ** 64n - 4n }),
  sample(rare.moveLeaderResponse, { header: HEADER }),
  sample(rare.downgradeRequest, { action: rare.DOWNGRADE_CANCEL, version: "3.6.0" }),
  sample(rare.downgradeResponse, { header: HEADER, version: "3.7" }),
  sample(rare.memberAddRequest, { peerURLs: MEMBER.peerURLs, isLearner: true }),
  sample(rare.memberAddResponse, { header: HEADER, member: MEMBER, members: [MEMBER] }),
  sample(rare.memberRemoveRequest, { ID: MEMBER.ID }),
  sample(rare.memberRemoveResponse, { header: HEADER, members: [MEMBER] }),
  sample(rare.memberUpdateRequest, { ID: MEMBER.ID, peerURLs: MEMBER.peerURLs }),
  sample(rare.memberUpdateResponse, { header: HEADER, members: [MEMBER] }),
  sample(rare.memberPromoteRequest, { ID: MEMBER.ID }),
  sample(rare.memberPromoteResponse, { header: HEADER, members: [MEMBER] }),
  sample(rare.memberListRequest, { linearizable: true }),
  sample(rare.memberListResponse, { header: HEADER, members: [MEMBER, MEMBER] }),
  sample(rare.healthCheckRequest, { service: "etcdserverpb.KV" }),
  sample(rare.healthCheckResponse, { status: rare.HEALTH_NOT_SERVING }),
  sample(rare.healthListRequest, {}),
  sample(rare.healthListResponse, { statuses: { "": { status: rare.HEALTH_SERVING }, b: { status: 0 } } }),
  sample(auth.authEnableRequest, {}),
  sample(auth.authEnableResponse, { header: HEADER }),
  sample(auth.authDisableRequest, {}),
  sample(auth.authDisableResponse, { header: HEADER }),
  sample(auth.authStatusRequest, {}),
  sample(auth.authStatusResponse, { header: HEADER, enabled: true, authRevision: 2 ** 40 }),
  sample(auth.authenticateRequest, { name: "zürich", password: "geheim" }),
  sample(auth.authenticateResponse, { header: HEADER, token: "t.1" }),
  sample(auth.authUserAddRequest, { name: "a", password: "b", options: { noPassword: true }, hashedPassword: "c" }),
  sample(auth.authUserAddResponse, { header: HEADER }),
  sample(auth.authUserGetRequest, { name: "a" }),
  sample(auth.authUserGetResponse, { header: HEADER, roles: ["r", "s"] }),
  sample(auth.authUserListRequest, {}),
  sample(auth.authUserListResponse, { header: HEADER, users: ["a", ""] }),
  sample(auth.authUserDeleteRequest, { name: "a" }),
  sample(auth.authUserDeleteResponse, { header: HEADER }),
  sample(auth.authUserChangePasswordRequest, { name: "a", password: "b", hashedPassword: "c" }),
  sample(auth.authUserChangePasswordResponse, { header: HEADER }),
  sample(auth.authUserGrantRoleRequest, { user: "a", role: "r" }),
  sample(auth.authUserGrantRoleResponse, { header: HEADER }),
  sample(auth.authUserRevokeRoleRequest, { name: "a", role: "r" }),
  sample(auth.authUserRevokeRoleResponse, { header: HEADER }),
  sample(auth.authRoleAddRequest, { name: "r" }),
  sample(auth.authRoleAddResponse, { header: HEADER }),
  sample(auth.authRoleGetRequest, { role: "r" }),
  sample(auth.authRoleGetResponse, { header: HEADER, perm: [PERMISSION, PERMISSION] }),
  sample(auth.authRoleListRequest, {}),
  sample(auth.authRoleListResponse, { header: HEADER, roles: ["r"] }),
  sample(auth.authRoleDeleteRequest, { role: "r" }),
  sample(auth.authRoleDeleteResponse, { header: HEADER }),
  sample(auth.authRoleGrantPermissionRequest, { name: "r", perm: PERMISSION }),
  sample(auth.authRoleGrantPermissionResponse, { header: HEADER }),
  sample(auth.authRoleRevokePermissionRequest, { role: "r", key: Buffer.from([0xff]), rangeEnd: Buffer.from([0]) }),
  sample(auth.authRoleRevokePermissionResponse, { header: HEADER }),
];

test.each(samples)("$name survives encoding and decoding", ({ roundTrip }) => {
  const { decoded, message } = roundTrip();
  expect(decoded).toStrictEqual(message);
});

test("every codec of rare.ts and auth.ts has a sample", () => {
  const codecs = [...Object.values(rare), ...Object.values(auth)].filter(
    (value) => typeof value === "object" && "decode" in value,
  );
  expect(samples.map(({ name }) => name).toSorted()).toEqual(codecs.map(({ name }) => name).toSorted());
});

test("ids are exact in all 64 bits, and TTLs as far as a number is", () => {
  fc.assert(
    fc.property(int64, int64Id, (TTL, ID) => {
      expect(rare.leaseGrantRequest.decode(rare.leaseGrantRequest.encode({ TTL, ID }))).toEqual({ TTL, ID });
    }),
  );
  fc.assert(
    fc.property(uint64, uint64Id, (revision, memberId) => {
      const header = { clusterId: memberId, memberId, revision, raftTerm: revision };
      expect(rare.leaseRevokeResponse.decode(rare.leaseRevokeResponse.encode({ header }))).toEqual({ header });
    }),
  );
});

test("a TTL beyond 2^53 is the nearest double, and as int64 the nearest there is", () => {
  expect(rare.leaseGrantRequest.decode(varintField(1, 2n ** 63n - 1n))).toEqual({ TTL: 2 ** 63, ID: 0n });
  expect(rare.leaseGrantRequest.decode(varintField(1, -(2n ** 63n)))).toEqual({ TTL: -(2 ** 63), ID: 0n });
  expect(rare.leaseGrantRequest.encode({ TTL: 2 ** 63, ID: 0n })).toEqual(varintField(1, 2n ** 63n - 1n));
  expect(rare.leaseGrantRequest.encode({ TTL: -(2 ** 70), ID: 0n })).toEqual(varintField(1, -(2n ** 63n)));
});

describe("a message that is not on the wire", () => {
  test("is null, and everything else has its zero value", () => {
    expect(rare.statusResponse.decode(Buffer.alloc(0))).toEqual({
      header: null,
      version: "",
      dbSize: 0,
      leader: 0n,
      raftIndex: 0,
      raftTerm: 0,
      raftAppliedIndex: 0,
      errors: [],
      dbSizeInUse: 0,
      isLearner: false,
      storageVersion: "",
      dbSizeQuota: 0,
      downgradeInfo: null,
    });
  });

  test("differs from one that is empty", () => {
    const header = { clusterId: 0n, memberId: 0n, revision: 0, raftTerm: 0 };
    expect(rare.leaseRevokeResponse.encode({ header })).toEqual(lengthField(1));
    expect(rare.leaseRevokeResponse.decode(lengthField(1))).toEqual({ header });
    expect(rare.leaseRevokeResponse.encode({ header: null })).toEqual(Buffer.alloc(0));
  });
});

test("a member of a oneof is null unless it is on the wire", () => {
  const compare = messageType<Record<string, unknown>>("etcdserverpb.Compare");
  expect(compare.decode(varintField(6, 0))).toMatchObject({ modRevision: 0, version: null, value: null, lease: null });
  expect(compare.encode(compare.decode(varintField(6, 0)))).toEqual(varintField(6, 0));
});

test.each([
  ["cut short", Buffer.from("08", "hex")],
  ["with a string that is not UTF-8", lengthField(4, Buffer.from([0xff]))],
  ["with field number 0", Buffer.from("0000", "hex")],
])("a message %s is refused with a DecodeError", (_, bytes) => {
  expect(() => rare.leaseGrantResponse.decode(bytes)).toThrow(DecodeError);
});

test("a name that no .proto file declares is an error at the first use", () => {
  expect(() => messageType("etcdserverpb.Nope").encode({})).toThrow("etcdserverpb.Nope");
});

describe("a request with too many fields is refused before it is taken apart:", () => {
  const unknown = varintField(15, 0);
  const most = Buffer.alloc(RARE_FIELDS_MAX * unknown.length, unknown);

  test("fields of its own", () => {
    expect(rare.leaseGrantRequest.decode(most)).toEqual({ TTL: 0, ID: 0n });
    expect(() => rare.leaseGrantRequest.decode(Buffer.concat([most, unknown]))).toThrow(DecodeError);
  });

  test("fields of embedded messages and of groups", () => {
    expect(() => auth.authRoleGrantPermissionRequest.decode(lengthField(2, most))).toThrow(DecodeError);
    const group = Buffer.concat([tag(15, 3), most, tag(15, 4)]);
    expect(() => auth.authRoleGrantPermissionRequest.decode(group)).toThrow(DecodeError);
  });

  test("elements of a list", () => {
    const urls = Array.from({ length: RARE_FIELDS_MAX }, () => lengthField(1, Buffer.from("http://a:1")));
    expect(rare.memberAddRequest.decode(Buffer.concat(urls)).peerURLs).toHaveLength(RARE_FIELDS_MAX);
    expect(() => rare.memberAddRequest.decode(Buffer.concat([...urls, urls[0]]))).toThrow(DecodeError);
  });

  test("but an answer may have any number", () => {
    const leases = Array.from({ length: RARE_FIELDS_MAX * 2 }, () => lengthField(2));
    expect(rare.leaseLeasesResponse.decode(Buffer.concat(leases)).leases).toHaveLength(RARE_FIELDS_MAX * 2);
  });
});
