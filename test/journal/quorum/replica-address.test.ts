import { expect, test } from "vitest";
import { formatReplicaAddress, parseReplicaAddress } from "../../../journal/quorum/replica-address.ts";

test.each([
  ["tcp://10.0.0.1:2390", { isSecure: false, host: "10.0.0.1", port: 2390 }],
  ["tls://replica-a.example.org:1", { isSecure: true, host: "replica-a.example.org", port: 1 }],
  ["tcp://[::1]:65535", { isSecure: false, host: "::1", port: 65535 }],
  ["tls://[fe80::1%eth0]:2390", { isSecure: true, host: "fe80::1%eth0", port: 2390 }],
  ["tcp://zone_a.svc.cluster.local.:2390", { isSecure: false, host: "zone_a.svc.cluster.local.", port: 2390 }],
])("%s is an address, and is written as it was read", (text, address) => {
  expect(parseReplicaAddress(text)).toEqual(address);
  expect(formatReplicaAddress(address)).toBe(text);
});

test.each([
  ["", "is no address of a replica"],
  ["/var/lib/zone-a", "is no address of a replica"],
  ["localhost:2390", "is no address of a replica"],
  ["http://localhost:2390", 'has the scheme "http": a replica is reached over tcp:// or tls://'],
  ["unix:///run/replica.sock", 'has the scheme "unix"'],
  ["tcp://localhost", "has no port"],
  ["tcp://[::1]", "has no port"],
  ["tcp://localhost:", 'has the port "": it must be a number from 1 to 65535'],
  ["tcp://localhost:0", 'has the port "0"'],
  ["tcp://localhost:65536", 'has the port "65536"'],
  ["tcp://localhost:2e3", 'has the port "2e3"'],
  ["tcp://:2390", "has no host that can be reached"],
  ["tcp://::1:2390", "has no host that can be reached"],
  ["tcp://[10.0.0.1]:2390", "has no host that can be reached"],
  ["tcp://a b:2390", "has no host that can be reached"],
  ["tcp://localhost:2390/", "has more than a host and a port"],
  ["tcp://user@localhost:2390", "has more than a host and a port"],
  ["tcp://localhost:2390?x=1", "has more than a host and a port"],
])("%j is refused with what is wrong", (text, why) => {
  const refusal = parseReplicaAddress(text);
  expect(refusal).toContain(`${JSON.stringify(text)} `);
  expect(refusal).toContain(why);
});
