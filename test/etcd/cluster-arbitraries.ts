/**
 * Commands about the cluster's members, leader and version that change neither server: those that etcd would carry out are
 * not among them.
 */
import fc from "fast-check";
import { DOWNGRADE_CANCEL, DOWNGRADE_ENABLE, DOWNGRADE_VALIDATE } from "../../proto/rare.ts";
import type { Command, UnaryCommand } from "./command.ts";

/** Stands for the peer URL that the server has, in whole or as a part. */
export const OWN_URL = "own:";

const part = (...parts: string[]): fc.Arbitrary<string> => fc.constantFrom(...parts);

/** URLs of all sorts, good ones and bad ones. */
const url = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .tuple(
        part("", "", " ", "//"),
        part("http:", "http:", "HTTPS:", "unix:", "unixs:", "ftp:", ""),
        part("//", "//", "//", "/", ""),
        part("", "", "user@", "us%er@", "a:b@", "é@"),
        part(
          "10.0.0.1",
          "[::1]",
          "[::1",
          "[1.2.3.4]",
          "a",
          "%C3%A4",
          "%41",
          "a%",
          "A,b",
          "é",
          "a b",
          "[fe80::1%25x]",
          "",
        ),
        part(":1", ":1", ":1", ":", ":x", "::1", ":1:2", ""),
        part("", "", "", "/", "/%2f", "/%zz", "?a", "?/%", "#", "#%41", "#%4", "\n", "\\", "]"),
      )
      .map((parts) => parts.join("")),
  },
  { weight: 1, arbitrary: fc.string({ maxLength: 12 }) },
);

/** With the URL that is there already etcd refuses whatever the others are. */
const peerURLs = fc
  .oneof(
    { weight: 6, arbitrary: fc.tuple(fc.constantFrom([OWN_URL], [` ${OWN_URL}#`]), fc.array(url, { maxLength: 2 })) },
    { weight: 1, arbitrary: fc.constant([[], []]) },
  )
  .chain(([own, others]) => fc.shuffledSubarray([...own, ...others], { minLength: own.length + others.length }));

const version = fc.oneof(
  part(
    "3.7",
    "3.7.3",
    "3.8",
    "3.5",
    "2.6.0",
    "3",
    "",
    "v3.6",
    "3.6.x",
    "3.6.0.0",
    "3.6-rc.1",
    "3.6.0-a_b",
    "3.6.0+a..b",
  ),
  part("3.5.0-rc.1+b", "3.9223372036854775807", "3.9223372036854775808", "03.05"),
);

const member = fc.constantFrom("own" as const, "any" as const, "stranger" as const);

export const clusterCommand: fc.Arbitrary<UnaryCommand> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .record({ peerURLs, isLearner: fc.boolean() })
      .map((request) => ({ name: "memberAdd" as const, request })),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      name: fc.constantFrom("memberRemove" as const, "memberPromote" as const, "moveLeader" as const),
      member,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.array(url, { maxLength: 2 }).chain((urls) =>
      fc.constantFrom<UnaryCommand>(
        { name: "memberUpdate", request: { peerURLs: urls }, member: "stranger" },
        // etcd takes any other URLs.
        { name: "memberUpdate", request: { peerURLs: [OWN_URL] }, member: "own" },
      ),
    ),
  },
  {
    weight: 3,
    arbitrary: fc
      .record({ action: fc.constantFrom(DOWNGRADE_VALIDATE, DOWNGRADE_ENABLE, DOWNGRADE_CANCEL, 3), version })
      .map((request) => ({ name: "downgrade" as const, request })),
  },
);

export const clusterSequence: fc.Arbitrary<Command[]> = fc.array(clusterCommand, {
  minLength: 100,
  maxLength: 250,
  size: "max",
});
