/** The client for Rust; its crate comes with its tests, and those need a store on the port that is everywhere the default one. */
import { chmod, cp, mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { command, commandThatMust } from "../command.ts";
import { cargoOutcomes, outcomesOf } from "../outcomes.ts";
import { leftOutTests } from "../suite.ts";
import type { Suite } from "../suite.ts";
import { makePython, pythonOf } from "./python.ts";

const VERSION = "0.21.1";

export const rustEtcdClient: Suite = {
  name: "rust-etcd-client",
  version: `etcd-client ${VERSION} (crates.io)`,
  tests: "its own",
  tools: ["cargo", "python3"],
  // As the compose file beside its tests has it, the second for those of RangeStream.
  flags: () => ["--auth-token-ttl=2", "--max-request-bytes=10240"],
  leftOut: [{ why: "adds a fourth member to three", tests: ["test_cluster"] }],
  prepare: async (folder) => {
    // Its build asks for protoc, which for Python comes in a package.
    await makePython(folder, ["grpcio-tools==1.75.1"]);
    const protoc = protocOf(folder);
    await writeFile(protoc, `#!/bin/sh\nexec '${pythonOf(folder)}' -m grpc_tools.protoc "$@"\n`);
    await chmod(protoc, 0o755);
    await fetchSource(folder);
    const source = path.join(folder, "source");
    await commandThatMust(["cargo", "test", "--no-run"], { folder: source, env: { PROTOC: protoc } });
  },
  run: async (folder, store, log) => {
    const options = { folder: path.join(folder, "source"), env: { PROTOC: protocOf(folder) }, log };
    const etcdctl = path.join(store.commands, "etcdctl");
    await commandThatMust([etcdctl, "user", "add", "root", "--new-user-password=rootpwd"], options);
    await commandThatMust([etcdctl, "user", "grant-role", "root", "root"], options);
    const leftOut = leftOutTests(rustEtcdClient).flatMap((test) => ["--skip", test]);
    const cargo = ["cargo", "test", "--offline", "--no-fail-fast", "--tests", "--", "--include-ignored", ...leftOut];
    const { succeeded, output } = await command(cargo, options);
    return outcomesOf(succeeded, cargoOutcomes(output));
  },
};

const protocOf = (folder: string): string => path.join(folder, "protoc");

/** cargo fetches only what something depends on, into a place of its own. */
async function fetchSource(folder: string): Promise<void> {
  const needs = path.join(folder, "needs");
  await mkdir(path.join(needs, "src"), { recursive: true });
  await writeFile(path.join(needs, "src", "lib.rs"), "");
  const manifest = `[package]\nname = "needs"\nedition = "2021"\n[dependencies]\netcd-client = "=${VERSION}"\n`;
  await writeFile(path.join(needs, "Cargo.toml"), manifest);
  const output = await commandThatMust(["cargo", "metadata", "--format-version=1"], { folder: needs });
  const json = output.split("\n").find((line) => line.startsWith("{"));
  // What cargo prints, of which this is a small part.
  const { packages } = JSON.parse(json ?? "{}") as { packages: { name: string; manifest_path: string }[] };
  const found = packages.find(({ name }) => name === "etcd-client");
  if (found === undefined) throw new Error("cargo does not say where etcd-client is");
  await cp(path.dirname(found.manifest_path), path.join(folder, "source"), { recursive: true });
}
