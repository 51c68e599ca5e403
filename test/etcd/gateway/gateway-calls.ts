/** Calls through the JSON gateway, and what of their answers may be compared. */
import fc from "fast-check";
import { allMethods } from "../../../proto/schema.ts";
import type { HttpAnswer, HttpCall } from "../../support/http-client.ts";
import { jsonOf } from "../../proto/json/json-arbitraries.ts";
import type { Values } from "../../proto/json/json-arbitraries.ts";

/** Small ids: those that are larger a server has chosen. */
const leaseId = fc.integer({ min: 1, max: 5 }).map((id) => `"${id}"`);

/** What is not compared through it, with the reason. */
const LEFT_OUT = new Map([
  ["/v3/maintenance/alarm", "an action that does not exist ends etcd's process, and alarms stop the rest"],
  ["/v3/maintenance/downgrade", "a freedom"],
  ["/v3/maintenance/hash", "a freedom"],
  ["/v3/maintenance/hashkv", "a freedom after compactions"],
  ["/v3/maintenance/snapshot", "other bytes"],
  ["/v3/cluster/member/add", "a freedom"],
  ["/v3/cluster/member/update", "a freedom"],
  ["/v3/cluster/member/remove", "the own member ends"],
  ["/v3/auth/enable", "the rest would be refused; the auth tests have it"],
  ["/v3/watch", "does not end"],
  ["/v3/lock/lock", "may wait for another call"],
  ["/v3/election/campaign", "may wait for another call"],
  ["/v3/election/proclaim", "may be given a lease of the server's choice, which ends at a moment of its own"],
  ["/v3/election/resign", "the same"],
  ["/v3/election/observe", "does not end"],
  ["/v3/lease/grant", "has texts of its own"],
]);

const VALUES: Values = {
  ID: leaseId,
  lease: fc.constantFrom('"0"', '"1"', '"2"', "3"),
  // Answers in other orders are no mistake where nothing says which one it is.
  limit: fc.constant("0"),
  sort_target: fc.constantFrom('"KEY"', "0"),
  // Passwords are hashed: few, so that there is time for other calls.
  hashedPassword: fc.constant('""'),
};

const PATHS = allMethods()
  .flatMap(({ httpPaths, requestType }) => httpPaths.map((path) => ({ path, requestType })))
  .filter(({ path }) => !LEFT_OUT.has(path));

/** A lease that has not its time would end at a moment of each server's own. */
const grant: fc.Arbitrary<HttpCall> = fc
  .tuple(
    fc.option(fc.oneof({ weight: 8, arbitrary: leaseId }, fc.constantFrom("0", "null", "-1", '"x"', "[1]"))),
    fc.constantFrom('"9000"', "8000", '"9000000001"', "9e3", '"8e3 "'),
  )
  .map(([id, ttl]) => ({
    path: "/v3/lease/grant",
    body: id === null ? `{"TTL":${ttl}}` : `{"ID":${id},"TTL":${ttl}}`,
  }));

const KV_WEIGHT = 6;

const ordinary: fc.Arbitrary<HttpCall> = fc.oneof(
  ...PATHS.map(({ path, requestType }) => ({
    weight: path.startsWith("/v3/kv/") && !path.startsWith("/v3/kv/lease") ? KV_WEIGHT : 1,
    arbitrary: jsonOf(requestType, VALUES).map((body) => ({ path, body })),
  })),
);

const HEADERS: readonly Readonly<Record<string, string>>[] = [
  {},
  { "content-type": "application/json" },
  { "content-type": "text/plain", accept: "text/html" },
  { "content-type": "application/grpc" },
  { "content-type": "application/x-www-form-urlencoded", "x-http-method-override": "GET" },
  { "grpc-timeout": "10S" },
  { "grpc-timeout": "1x" },
  { "grpc-timeout": "S" },
  { "grpc-timeout": "-5S" },
  { "grpc-timeout": "0S" },
  { "grpc-metadata-token": "none" },
  { authorization: "Bearer none" },
  { "grpc-metadata-hasleader": "true", "grpc-metadata-client-api-version": "3.7" },
  { origin: "http://elsewhere.example" },
];

const ODD_PATHS = [
  "/v3",
  "/v3/",
  "/v3?a=b",
  "/v3/kv",
  "/v3/kv/",
  "/v3/kv/range/",
  "/v3//kv/range",
  "/v3/./kv/range",
  "/v3/kv/../kv/range?x=1",
  "/v3/kv/%72ange",
  "/v3/kv%2Frange",
  "/v3/kv/range%",
  "/v3/kv/range?key=YQ==",
  "/v3/KV/range",
  "/v3/kv/range:x",
  "/v3/kv/rangestream",
  "/v3beta/kv/range",
  "/v3beta/",
  "/v3beta",
  "/v3alpha/kv/range",
  "/v2/keys",
  "//health",
  "/health/../health",
  "/a/./b/",
  "/..",
];

const odd: fc.Arbitrary<HttpCall> = fc
  .tuple(
    fc.constantFrom("POST", "POST", "GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"),
    fc.constantFrom(...ODD_PATHS, "/v3/kv/range", "/v3/kv/put", "/v3/auth/enable"),
    fc.constantFrom(
      "",
      "{}",
      '{"key":"YQ=="}',
      "null",
      "[]",
      '"a"',
      "1",
      " ",
      '{"key":"YQ=="}{"key":1}',
      '{"key":"YQ=="}x',
    ),
  )
  // Go's answer to a HEAD that it cannot read has a body, which no client expects.
  .filter(([method, path]) => method !== "HEAD" || !path.endsWith("%"))
  .map(([method, path, body]) => ({ method, path, body: method === "GET" || method === "HEAD" ? "" : body }));

/** Any call, with any headers. */
export const gatewayCall: fc.Arbitrary<HttpCall> = fc
  .tuple(
    fc.oneof({ weight: 16, arbitrary: ordinary }, { weight: 1, arbitrary: grant }, { weight: 1, arbitrary: odd }),
    fc.oneof({ weight: 4, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: fc.constantFrom(...HEADERS) }),
  )
  .map(([call, headers]) => ({ ...call, headers }));

const COMPARED_HEADERS = [
  "content-type",
  "grpc-metadata-content-type",
  "www-authenticate",
  "location",
  "allow",
  "access-control-allow-origin",
  "access-control-allow-methods",
  "access-control-allow-headers",
];

/** Ids, the term and sizes are each server's own. */
const OWN = new Set(["cluster_id", "member_id", "raft_term", "raftTerm", "raftIndex", "raftAppliedIndex", "leader"]);
const OWN_SIZES = new Set(["dbSize", "dbSizeInUse", "peerURLs", "clientURLs"]);

export function comparable(call: HttpCall, { status, headers, body }: HttpAnswer): unknown {
  const isTimeToLive = call.path.endsWith("timetolive");
  const mask = (name: string, value: unknown): unknown => {
    if (OWN.has(name) || OWN_SIZES.has(name)) return "own";
    if (name === "ID" && String(value).length > 6) return "chosen";
    if (name === "TTL" && isTimeToLive && Number(value) > 0) return "rest";
    // etcd 3.7 leaves it out of lists of keys alone.
    if (name === "lease") return undefined;
    // In etcd these come in the order of a hash map.
    const isUnordered = name === "leases" || (name === "keys" && isTimeToLive);
    return isUnordered && Array.isArray(value) ? value.map((one) => JSON.stringify(one)).toSorted() : value;
  };
  const lines = body.split("\n").map((line) => {
    try {
      return JSON.parse(line, mask) as unknown;
    } catch {
      return line;
    }
  });
  return { status, headers: COMPARED_HEADERS.map((name) => headers[name] ?? null), lines: lines.map(plainSpaces) };
}

/** Go's protobuf library writes this or that space, by the build. */
function plainSpaces(line: unknown): unknown {
  return JSON.parse(JSON.stringify(line).replaceAll("\u00a0", " ")) as unknown;
}
