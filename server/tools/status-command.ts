/**
 * The command `status`: asks servers how they are and shows it to a person, or as JSON.
 *
 *     plinth status [--endpoints=http://127.0.0.1:2379,…] [-w json]
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { STATUS_PATH } from "../http/http-handler.ts";
import type { ServerStatus } from "../http/server-status.ts";
import { TLS_FLAGS, TLS_USAGE, tlsOf } from "./client-tls.ts";
import { askFor, ENDPOINT_DEFAULT, endpointOf, reasonOf, textOf } from "./endpoint.ts";
import type { Endpoint } from "./endpoint.ts";
import { replicaText, statusText } from "./status-text.ts";
import type { ReplicaOwnStatus } from "./status-text.ts";
import { helped, refuseUse } from "./usage.ts";

const EXIT_FAILED = 1;

/** A server that has not answered by then does not answer. */
const ANSWER_MS_MAX = 5_000;

const USAGE = `Asks servers how they and the zones of their journal are.

  plinth status [--endpoints=URL,URL...] [-w json]

  --endpoints    where they listen for clients, or for metrics: http://host:port, or unix:///path,
                 with https or unixs for TLS; ${ENDPOINT_DEFAULT} unless given
${TLS_USAGE}  -w json        one JSON object a line

The exit code is 1 when one of them does not answer.
`;

/** Runs the command with the arguments behind its name, and sets the exit code. */
export async function statusCommand(args: readonly string[]): Promise<void> {
  const asked = parse(args);
  if (asked === null) return;
  // All at once: one that does not answer keeps the others from nothing.
  const answers = await Promise.all(asked.endpoints.map(ask));
  for (const [i, { url }] of asked.endpoints.entries()) {
    const answer = answers[i];
    if (typeof answer === "string") process.exitCode = EXIT_FAILED;
    if (asked.isJson) {
      const told = typeof answer === "string" ? { endpoint: url, error: answer } : { endpoint: url, status: answer };
      process.stdout.write(`${JSON.stringify(told)}\n`);
    } else if (typeof answer === "string") {
      process.stderr.write(`${url}: ${answer}\n`);
    } else {
      const text = answer.role === "replica" ? replicaText(url, answer) : statusText(url, answer);
      process.stdout.write(`${i === 0 ? "" : "\n"}${text}`);
    }
  }
}

function parse(args: readonly string[]): { endpoints: Endpoint[]; isJson: boolean } | null {
  if (helped(args, USAGE)) return null;
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        "write-out": { type: "string", short: "w", default: "simple" },
        endpoints: { type: "string", default: ENDPOINT_DEFAULT },
        ...TLS_FLAGS,
      },
    });
    const format = values["write-out"];
    if (format !== "simple" && format !== "json") return refuseUse(`-w must be simple or json, not ${format}`, USAGE);
    const tls = tlsOf(values);
    const endpoints = values.endpoints.split(",").map((url) => endpointOf(url.trim(), tls));
    return { endpoints, isJson: format === "json" };
  } catch (error) {
    return refuseUse(error instanceof Error ? error.message : String(error), USAGE);
  }
}

/** @returns what the server says, or why there is nothing */
async function ask(endpoint: Endpoint): Promise<ServerStatus | ReplicaOwnStatus | string> {
  try {
    const response = await askFor("GET", endpoint, STATUS_PATH, ANSWER_MS_MAX);
    if (response.statusCode === 404) return "no Plinth, or an older one: it has no status to tell";
    if (response.statusCode !== 200) return `the answer was ${response.statusCode}`;
    return statusOf(await textOf(response)) ?? "the answer is no status";
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return error.name === "TimeoutError" ? `no answer within ${ANSWER_MS_MAX / 1_000} s` : reasonOf(error);
  }
}

/** Null when it is something else. */
function statusOf(text: string): ServerStatus | ReplicaOwnStatus | null {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof answer !== "object" || answer === null) return null;
  if ("role" in answer && answer.role === "replica" && "zone" in answer) return answer as ReplicaOwnStatus;
  if (!("plinth" in answer) || !("journal" in answer)) return null;
  const { journal } = answer;
  if (typeof journal !== "object" || journal === null || !("replicas" in journal)) return null;
  // Both are of one program; what another version leaves out is shown as it comes. A former one tells of no partitions.
  return Array.isArray(journal.replicas) ? ({ partitions: [], ...answer } as unknown as ServerStatus) : null;
}
