/** Calls whose outcome any correct pair of client and server agrees on. */

import type { Outcome, TestCallOptions } from "./support-clients.ts";
import {
  COUNT,
  COUNT_FAILURE,
  COUNT_THEN_FAIL,
  countRequest,
  ECHO,
  ECHO_LATER,
  ECHO_STREAM,
  FAIL,
  FAIL_STREAM,
  failRequest,
  METADATA,
  pattern,
  SIZED,
  SIZED_PARTS,
  sizedRequest,
} from "./support-test-service.ts";

export interface ListedCall {
  readonly title: string;
  readonly path: string;
  readonly messages: readonly Buffer[];
  readonly options?: TestCallOptions;
  readonly expected: Outcome;
}

const MEBIBYTE = 1024 * 1024;

const TEXTS = [
  "plain",
  "100 % sure? a/b#c",
  "%41 is not A",
  "ключ не найден",
  "鍵が見つかりません 🔑",
  "line one\nline two\ttab",
  "",
];

function ok(...replies: Buffer[]): Outcome {
  return { code: 0, text: "", replies };
}

function counted(count: number, length: number): Buffer[] {
  return Array.from({ length: count }, (_, i) => {
    const message = pattern(length);
    message.writeUInt32BE(i, 0);
    return message;
  });
}

export const LISTED_CALLS: readonly ListedCall[] = [
  ...[0, 1, 35, 16_384, 65_536, MEBIBYTE, 2_000_000].map((length) => ({
    title: `a request and a reply of ${length} bytes`,
    path: ECHO,
    messages: [pattern(length)],
    expected: ok(pattern(length)),
  })),
  {
    title: "a reply given in a later turn",
    path: ECHO_LATER,
    messages: [pattern(300)],
    expected: ok(pattern(300)),
  },
  ...[0, 1, 16_379, 16_384, 65_535, 8 * MEBIBYTE].flatMap((length) =>
    [SIZED, SIZED_PARTS].map((path) => ({
      title: `${path} of ${length} bytes`,
      path,
      messages: [sizedRequest(length)],
      expected: ok(pattern(length)),
    })),
  ),
  ...TEXTS.map((text, i) => ({
    title: `the status text ${JSON.stringify(text)}`,
    path: FAIL,
    messages: [failRequest(i + 1, text)],
    expected: { code: i + 1, text, replies: [] },
  })),
  {
    title: "known metadata",
    path: METADATA,
    messages: [pattern(0)],
    options: { metadata: { "client-api-version": "3.7", hasleader: "true", token: "secret.token" } },
    expected: ok(Buffer.from(JSON.stringify({ clientApiVersion: "3.7", hasLeader: true, token: "secret.token" }))),
  },
  {
    title: "no metadata, beside names that nobody knows",
    path: METADATA,
    messages: [pattern(0)],
    options: { metadata: { "x-long": "v".repeat(4000), "x-odd": 'a, b; c="d"' } },
    expected: ok(Buffer.from(JSON.stringify({ clientApiVersion: null, hasLeader: false, token: null }))),
  },
  {
    title: "a stream of 1,000 small messages",
    path: COUNT,
    messages: [countRequest(1000, 100)],
    expected: ok(...counted(1000, 100)),
  },
  {
    title: "a stream of 40 messages of 100,000 bytes",
    path: COUNT,
    messages: [countRequest(40, 100_000)],
    expected: ok(...counted(40, 100_000)),
  },
  {
    title: "a stream without messages",
    path: COUNT,
    messages: [countRequest(0, 0)],
    expected: ok(),
  },
  {
    title: "a stream that fails after its messages",
    path: COUNT_THEN_FAIL,
    messages: [countRequest(3, 10)],
    expected: { code: COUNT_FAILURE.code, text: COUNT_FAILURE.message, replies: counted(3, 10) },
  },
  {
    title: "3,000 messages there and back",
    path: ECHO_STREAM,
    messages: counted(3000, 50),
    expected: ok(...counted(3000, 50)),
  },
  {
    title: "messages of all sizes there and back",
    path: ECHO_STREAM,
    messages: [0, 1, 5, 16_379, 16_384, 70_000, 500_000, 0].map(pattern),
    expected: ok(...[0, 1, 5, 16_379, 16_384, 70_000, 500_000, 0].map(pattern)),
  },
  {
    title: "a stream closed without a message",
    path: ECHO_STREAM,
    messages: [],
    expected: ok(),
  },
  {
    title: "a stream that the server ends with an error",
    path: FAIL_STREAM,
    messages: [failRequest(11, "revision 5 of 3 % — сжато")],
    expected: { code: 11, text: "revision 5 of 3 % — сжато", replies: [] },
  },
];
