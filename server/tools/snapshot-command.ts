/**
 * The command `snapshot`: asks a server on this machine to take one now, and waits until it is complete.
 *
 *     plinth snapshot now [--endpoint=http://127.0.0.1:2379]
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { SNAPSHOT_PATH } from "../http/http-handler.ts";
import type { SnapshotInfo } from "../engine/snapshots.ts";
import { TLS_FLAGS, TLS_USAGE, tlsOf } from "./client-tls.ts";
import { askFor, ENDPOINT_DEFAULT, endpointOf, reasonOf, textOf } from "./endpoint.ts";
import { bytesText } from "./texts.ts";
import { helped, refuseUse } from "./usage.ts";

const EXIT_FAILED = 1;

/** A snapshot of tens of millions of keys takes minutes. */
const SNAPSHOT_MS_MAX = 3_600_000;

const USAGE = `Asks a server on this machine to take a snapshot, and waits until it is complete.

  plinth snapshot now [--endpoint=URL]

  --endpoint     where it listens for clients, or for metrics: http://host:port, or unix:///path,
                 with https or unixs for TLS; ${ENDPOINT_DEFAULT} unless given
${TLS_USAGE}`;

/** Runs the command with the arguments behind its name, and sets the exit code. */
export async function snapshotCommand(args: readonly string[]): Promise<void> {
  const endpoint = parse(args);
  if (endpoint === null) return;
  try {
    const response = await askFor("POST", endpoint, SNAPSHOT_PATH, SNAPSHOT_MS_MAX);
    const text = await textOf(response);
    if (response.statusCode !== 200) return fail(`${endpoint.url}: ${text.trim()}`);
    // Cast: it is what this path answers.
    const { position, revision, versions, bytes } = JSON.parse(text) as SnapshotInfo;
    process.stdout.write(
      `snapshot at revision ${revision}: ${versions} versions of keys, ${bytesText(bytes)}, journal position ${position}\n`,
    );
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    fail(`${endpoint.url}: ${reasonOf(error)}`);
  }
}

function fail(text: string): void {
  process.stderr.write(`${text}\n`);
  process.exitCode = EXIT_FAILED;
}

function parse(args: readonly string[]): ReturnType<typeof endpointOf> | null {
  if (helped(args, USAGE)) return null;
  const [what, ...rest] = args;
  if (what !== "now") return refuseUse(`a snapshot is taken now, not ${JSON.stringify(what ?? "")}`, USAGE);
  try {
    const { values } = parseArgs({
      args: rest,
      options: { endpoint: { type: "string", default: ENDPOINT_DEFAULT }, ...TLS_FLAGS },
    });
    return endpointOf(values.endpoint, tlsOf(values));
  } catch (error) {
    return refuseUse(error instanceof Error ? error.message : String(error), USAGE);
  }
}
