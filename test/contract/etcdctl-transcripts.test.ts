/** Every command of etcdctl 3.7, typed into it on etcd and on Plinth: what it prints is the same, and so is how it ends. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { goMissingReason } from "../../bench/peers/build.ts";
import { Authority, opensslMissing } from "../journal/quorum/certificates.ts";
import { ALL, SCRIPT } from "./etcdctl-script.ts";
import { transcriptOf } from "../support/etcdctl-transcript.ts";
import type { Step, Typist } from "../support/etcdctl-transcript.ts";
import { runPeer } from "../support/peer-program.ts";
import { startEtcdStore, startPlinthStore } from "../support/stores.ts";
import { serverFlags, startTlsStore } from "../support/tls-store.ts";

/** Commands that ask no server, and one whose verdict is about the machine and takes a minute. */
const LEFT_OUT = ["check perf", "completion", "help", "options"];

/** Hundreds of commands, each a process of its own. */
const MILLISECONDS_MAX = 300_000;

describe.skipIf(opensslMissing || goMissingReason() !== null)("etcdctl prints on Plinth what it prints on etcd", () => {
  let authority: Authority;
  let folder: string;

  beforeAll(async () => {
    authority = new Authority();
    for (const name of ["server", "root"]) authority.issue(name);
    folder = await mkdtemp(path.join(tmpdir(), "plinth-transcript-"));
  });

  afterAll(async () => {
    authority.remove();
    await rm(folder, { recursive: true });
  });

  async function transcript(url: string, tls: readonly string[], steps: readonly Step[]): Promise<string> {
    const flags = [`--endpoints=${url}`, ...tls, "--command-timeout=5s"];
    const { stdout } = await runPeer("etcdctl", [...flags, "member", "list"], "", 30_000);
    const peerUrl = stdout.split(", ")[3];
    const file = path.join(folder, `snapshot-${url.split(":").at(-1)}`);
    const typist: Typist = {
      flags,
      names: new Map([
        [file, "FILE"],
        [url, "URL"],
        [url.replace(/^https?:\/\//, ""), "ADDRESS"],
        [peerUrl, "PEER"],
      ]),
    };
    const destination = tls.map((flag) => flag.replace("--", "--dest-"));
    const own = steps.map((step) => ({
      ...step,
      run: step.run
        .replace("DESTINATION", destination.length > 0 ? destination.join(" ") : "--dest-insecure-transport=true")
        .replace("FILE", file)
        .replace("URL", url)
        .replace("PEER", peerUrl),
    }));
    const texts = await transcriptOf(typist, own);
    return texts.map((text, at) => text.replace(/^\$.*/, `$ etcdctl ${steps[at].run}`)).join("\n");
  }

  /** The commands that have no more commands below them, in the words of its help. */
  async function commands(above: readonly string[] = []): Promise<string[]> {
    const { stdout } = await runPeer("etcdctl", [...above, "--help"], "", 30_000);
    const below = [...stdout.matchAll(/^[\w -]+ commands:?\n((?: {2}.*\n)+)/gim)]
      .flatMap(([, lines]) => [...lines.matchAll(/^ {2}([a-z][\w-]*)/gm)])
      .map(([, name]) => name);
    if (below.length === 0) return [above.join(" ")];
    return (await Promise.all(below.map((name) => commands([...above, name])))).flat();
  }

  async function storesOf(url: "http" | "https"): Promise<readonly [etcd: string, plinth: string]> {
    const flags = serverFlags(authority, "server", "clients");
    const stores = await Promise.all(
      url === "http"
        ? [startEtcdStore(), startPlinthStore()]
        : [startTlsStore("etcd", flags), startTlsStore("plinth", flags)],
    );
    onTestFinished(async () => void (await Promise.all(stores.map((store) => store.remove()))));
    return [stores[0].url, stores[1].url];
  }

  test("no command is without a transcript", async () => {
    const typedIn = SCRIPT.map(({ run }) => run.replace(/^--user=\S+ /, ""));
    const all = await commands();
    expect(all).toContain("endpoint status");
    const missing = all.filter((name) => !typedIn.some((run) => `${run} `.startsWith(`${name} `)));
    expect(missing).toEqual(LEFT_OUT);
  });

  test("plain, in every format", { timeout: MILLISECONDS_MAX }, async () => {
    const urls = await storesOf("http");
    const [theirs, ours] = await Promise.all(urls.map((url) => transcript(url, [], SCRIPT)));
    expect(ours).toBe(theirs);
    expect(theirs).toContain("Authentication Enabled\nexit 0");
  });

  test("over mutual TLS", { timeout: MILLISECONDS_MAX }, async () => {
    const { cert, key } = authority.filesOf("root");
    const tls = [`--cacert=${authority.caFile}`, `--cert=${cert}`, `--key=${key}`];
    const urls = await storesOf("https");
    const [theirs, ours] = await Promise.all(urls.map((url) => transcript(url, tls, ALL)));
    expect(ours).toBe(theirs);
    expect(theirs).toContain("Authentication Enabled\nexit 0");
  });
});
