import { expect, test } from "vitest";
import { readMemberUrls } from "../../../server/api/member-urls.ts";

// Which URLs are a member's is asked of both servers in test/contract/membership.test.ts.
test.each([
  { text: "http://10.0.0.1:2380", url: "http://10.0.0.1:2380" },
  { text: "\t HTTPS://etcd-1.Example:2380\n", url: "https://etcd-1.Example:2380" },
  { text: "http://a:1#", url: "http://a:1" },
  { text: "http://a:1?", url: "http://a:1?" },
  { text: "http://a:1?x#y", url: "http://a:1?x#y" },
  { text: "UnixS:///run/etcd.sock", url: "unixs:///run/etcd.sock" },
])("$text is written $url", ({ text, url }) => {
  expect(readMemberUrls([text])).toEqual([url]);
});

test("all are given in their order, and none where one is bad or there is none", () => {
  expect(readMemberUrls(["http://b:1", "http://a:1"])).toEqual(["http://b:1", "http://a:1"]);
  expect(readMemberUrls(["http://b:1", "http://a"])).toBeNull();
  expect(readMemberUrls([])).toBeNull();
});

test("a text as long as a message can be is read, too", () => {
  const long = "a".repeat(2_000_000);
  for (const url of [`http://${long}:1`, `http://[::1%25${long}]:1`, `unix://${":".repeat(2_000_000)}1`]) {
    expect(readMemberUrls([url])).toEqual([url]);
    expect(readMemberUrls([`${url}x`])).toBeNull();
  }
});
