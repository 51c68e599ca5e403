/** docs/compatibility.md says what is so: its table of RPCs is asked of the server, its differences are those of the tests. */
import { execFileSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import protobuf from "protobufjs";
import { expect, test } from "vitest";
import { allMethods, PROTO_FILES } from "../../proto/schema.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import { startPlinthStore } from "../support/stores.ts";
import { goMissingReason } from "../../bench/peers/build.ts";
import { ANSWER_FREEDOMS, ID_FREEDOM, PROGRESS_FREEDOM, UNASKED, WATCH_FREEDOMS } from "./freedoms.ts";

const UNIMPLEMENTED = 12;
const tests = path.join(import.meta.dirname, "..");
const page = readFileSync(path.join(tests, "..", "docs", "compatibility.md"), "utf8");

/** The first two cells of every table row. */
const rows = page.split("\n").flatMap((line): [string, string][] => {
  const [, first, second] = line.split("|").map((cell) => cell.trim());
  return first === undefined || second === undefined ? [] : [[first, second]];
});

/** `KV.Range` for `/etcdserverpb.KV/Range`. */
function shortName(method: string): string {
  const [, service, name] = method.split("/");
  return `${service.slice(service.lastIndexOf(".") + 1)}.${name}`;
}

/** Whether the server has an implementation: an empty message is answered by anything but Unimplemented, or not at once. */
async function isServed(client: EtcdClient, method: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const stream = client.lean.stream(method, {
    onMessage: () => resolve(true),
    onEnd: (code) => resolve(code !== UNIMPLEMENTED),
  });
  stream.send(Buffer.alloc(0));
  stream.halfClose();
  // What waits, such as a watch that is asked for nothing, is served: without an implementation it would have ended before this.
  await client.status();
  resolve(true);
  const served = await promise;
  stream.cancel();
  return served;
}

test("the table of RPCs has all of them, as they are served", async () => {
  const store = await startPlinthStore();
  const client = await EtcdClient.connect(store.url);
  try {
    const actual: [string, string][] = [];
    for (const method of allMethods()) {
      actual.push([shortName(method.path), (await isServed(client, method.path)) ? "served" : "not served"]);
    }
    const said = rows.filter(([, second]) => second === "served" || second === "not served");
    expect(said.toSorted()).toEqual(actual.toSorted());
  } finally {
    client.lean.destroy();
    await store.remove();
  }
});

test("the tables of fields have every field of every message of what is served", () => {
  const declared = new protobuf.Root().loadSync([...PROTO_FILES], { keepCase: true });
  const fieldsOf = (message: string): string => {
    const names = declared.lookupType(message).fieldsArray.map(({ name }) => name);
    return names.length === 0 ? "none" : names.join(", ");
  };
  const served = new Set(rows.filter(([, second]) => second === "served").map(([first]) => first));
  const methods = allMethods().filter(({ path: method }) => served.has(shortName(method)));
  const expected = methods.map((method) => [
    shortName(method.path),
    fieldsOf(method.requestType),
    fieldsOf(method.responseType),
  ]);
  const said = section("## Field by field", "| Message inside others").map((cells) => cells.slice(0, 3));
  expect(said.toSorted()).toEqual(expected.toSorted());
  for (const [message, fields] of section("| Message inside others", "## ")) {
    expect([message, fields]).toEqual([message, fieldsOf(message)]);
  }
});

/** The cells of the table rows, without head and rule, between one text and the next one. */
function section(from: string, to: string): string[][] {
  const [, behind] = page.split(from, 2);
  const lines = behind
    .slice(0, behind.indexOf(to))
    .split("\n")
    .filter((line) => line.startsWith("| "));
  const cells = lines.map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  return cells.filter(([first]) => !["---", "RPC", "Code"].includes(first));
}

const goMissing = goMissingReason();

test.skipIf(goMissing !== null)(`the table of errors has those of etcd's own list${goMissing ?? ""}`, () => {
  const module = "go.etcd.io/etcd/api/v3";
  const args = ["list", "-m", "-f", "{{.Dir}}", module];
  const folder = execFileSync("go", args, {
    cwd: path.join(tests, "..", "bench", "peers", "etcd"),
    encoding: "utf8",
  }).trim();
  const list = readFileSync(path.join(folder, "v3rpc", "rpctypes", "error.go"), "utf8");
  const declared = [...list.matchAll(/status\.Error\(codes\.(\w+), "etcdserver: (.+)"\)/g)];
  expect(declared.length).toBeGreaterThan(50);
  const said = section("## Errors", "\n## ").map((cells) => cells.slice(0, 2));
  expect(said.toSorted()).toEqual(declared.map(([, code, text]) => [code, text]).toSorted());
});

test("every error that is given is given in a test", () => {
  const sources = globSync("**/*.ts", { cwd: tests }).map((file) => readFileSync(path.join(tests, file), "utf8"));
  const texts = sources.join("\n");
  for (const [, text, remark] of section("## Errors", "\n## ")) {
    expect(remark).toMatch(/^(given$|never: )/);
    if (remark === "given") expect(texts).toContain(`"etcdserver: ${text}"`);
  }
});

test("every freedom of the comparison, and what is not asked, is among the differences", () => {
  const names = new Set(rows.map(([first]) => first));
  for (const { name } of [...ANSWER_FREEDOMS, ...WATCH_FREEDOMS, ID_FREEDOM, PROGRESS_FREEDOM, ...UNASKED]) {
    expect(names).toContain(name);
  }
});
