/**
 * etcd's HTTP/1.1 endpoints: health, version and metrics, with its status codes and texts, and Plinth's own status.
 * Everything is a GET but the asking for a snapshot.
 */
import type { IncomingMessage, ServerResponse } from "node:http";

import { type Clock, systemClock } from "../clock.ts";
import type { Logger } from "../host/logger.ts";
import { CLUSTER_VERSION, ETCD_VERSION, STORAGE_VERSION } from "../version.ts";
import { CHECK_NAMES, type CheckType, type HealthChecks } from "./health-checks.ts";
import { shareScrape } from "./shared-scrape.ts";

export interface HttpHandlerOptions {
  readonly checks: HealthChecks;
  /** The metrics' text. Asked for ten times a second at most. */
  readonly metrics: () => Promise<string>;
  /** What `/plinth/status` answers, as JSON. */
  readonly status: () => object;
  /** Takes a snapshot, and resolves to what `/plinth/snapshot` answers, as JSON. Without, there is no such path. */
  readonly snapshot?: () => Promise<object>;
  readonly logger: Logger;
  /** By which the age of the metrics' text is told; the machine's unless given. */
  readonly clock?: Clock;
}

/** What answering needs of the options. */
interface Sources {
  readonly checks: HealthChecks;
  readonly metrics: () => Promise<Buffer>;
  readonly status: () => object;
  readonly snapshot?: () => Promise<object>;
  readonly logger: Logger;
}

/** Answers one request. Never throws. */
export type HttpHandler = (request: IncomingMessage, response: ServerResponse) => void;

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

/** Makes the handler for client and metrics listeners alike. */
export function createHttpHandler(options: HttpHandlerOptions): HttpHandler {
  const sources: Sources = { ...options, metrics: shareScrape(options.metrics, options.clock ?? systemClock) };
  return (request, response) => {
    // Rejections are answered and logged inside.
    void answerRequest(sources, request, response);
  };
}

async function answerRequest(sources: Sources, request: IncomingMessage, response: ServerResponse): Promise<void> {
  let answer: Answer;
  try {
    answer = await route(sources, request);
  } catch (error) {
    sources.logger.error({ path: request.url, error }, "failed to answer an HTTP request");
    answer = plainError(500, "Internal Server Error");
  }
  if (request.headers["content-length"] !== undefined || request.headers["transfer-encoding"] !== undefined) {
    // No endpoint takes a body. Whatever its length it is not waited for: the connection ends with the answer.
    response.setHeader("Connection", "close");
  }
  response.writeHead(answer.status, { ...answer.headers, "Content-Length": Buffer.byteLength(answer.body) });
  response.end(request.method === "HEAD" ? undefined : answer.body);
}

async function route(sources: Sources, request: IncomingMessage): Promise<Answer> {
  const target = request.url ?? "/";
  const question = target.indexOf("?");
  const path = question < 0 ? target : target.slice(0, question);
  const query = new URLSearchParams(question < 0 ? "" : target.slice(question + 1));
  if (path === SNAPSHOT_PATH && sources.snapshot !== undefined) return takeSnapshot(sources.snapshot, request);
  const respond = findEndpoint(sources, path);
  if (respond === null) {
    return plainError(404, "404 page not found");
  }
  const isRead = request.method === "GET" || (path === METRICS_PATH && request.method === "HEAD");
  if (!isRead) {
    const answer = plainError(405, "Method Not Allowed");
    const allowed = path === METRICS_PATH ? "GET, HEAD" : "GET";
    return { ...answer, headers: { ...answer.headers, Allow: allowed } };
  }
  return respond(query);
}

const METRICS_PATH = "/metrics";
/** Not of etcd's. */
export const STATUS_PATH = "/plinth/status";

export const SNAPSHOT_PATH = "/plinth/snapshot";

/** For who is on this machine alone: it is work for its disks. */
async function takeSnapshot(snapshot: () => Promise<object>, { method, socket }: IncomingMessage): Promise<Answer> {
  if (method !== "POST") {
    const answer = plainError(405, "Method Not Allowed");
    return { ...answer, headers: { ...answer.headers, Allow: "POST" } };
  }
  if (!isOfThisMachine(socket.remoteAddress)) {
    return plainError(403, "a snapshot is asked for on the server's own machine");
  }
  try {
    return { status: 200, headers: JSON_TEXT, body: JSON.stringify(await snapshot()) };
  } catch (error) {
    return plainError(503, error instanceof Error ? error.message : String(error));
  }
}

/** A socket in the file system has no address. */
function isOfThisMachine(address: string | undefined): boolean {
  return address === undefined || /^(?:::ffff:)?127\.|^::1$/.test(address);
}

/** Whoever answers at this path, or null. */
function findEndpoint(sources: Sources, path: string): ((query: URLSearchParams) => Answer | Promise<Answer>) | null {
  switch (path) {
    case "/health":
      return (query) => answerHealth(sources.checks, query);
    case "/version":
      return () => VERSION_ANSWER;
    case STATUS_PATH:
      return () => ({ status: 200, headers: JSON_TEXT, body: JSON.stringify(sources.status()) });
    case METRICS_PATH:
      return async () => ({
        status: 200,
        headers: METRICS_TEXT,
        body: await sources.metrics(),
      });
    default: {
      // /livez, /readyz, and one check of theirs: /readyz/data_corruption.
      const match = /^\/(livez|readyz)(?:\/(\w+))?$/.exec(path);
      if (match === null) {
        return null;
      }
      const type = match[1] as CheckType; // One of the two words in the pattern.
      const name: string | undefined = match[2];
      if (name === undefined) {
        return (query) => answerChecks(sources.checks, type, excluding(CHECK_NAMES[type], query), query);
      }
      return CHECK_NAMES[type].includes(name) ? (query) => answerChecks(sources.checks, type, [name], query) : null;
    }
  }
}

async function answerHealth(checks: HealthChecks, query: URLSearchParams): Promise<Answer> {
  const serializable = query.get("serializable") === "true";
  const { healthy, reason } = await checks.health(serializable, new Set(query.getAll("exclude")));
  const body = JSON.stringify({ health: String(healthy), reason });
  return healthy ? { status: 200, headers: PLAIN_TEXT, body } : plainError(503, body);
}

/** The details are shown when asked for, and whenever something is wrong. */
async function answerChecks(
  checks: HealthChecks,
  type: CheckType,
  names: readonly string[],
  query: URLSearchParams,
): Promise<Answer> {
  const { ok, details } = await checks.run(type, names);
  if (!ok) {
    return plainError(503, details);
  }
  return { status: 200, headers: PLAIN_ERROR_TEXT, body: `${query.has("verbose") ? details : ""}ok\n` };
}

/** Excluding a check that does not exist is no error, so that one probe fits several versions. */
function excluding(names: readonly string[], query: URLSearchParams): string[] {
  const excluded = new Set(query.getAll("exclude"));
  return names.filter((name) => !excluded.has(name));
}

/** Prometheus' text format. */
const METRICS_TEXT = { "Content-Type": "text/plain; version=0.0.4; charset=utf-8" } as const;

const PLAIN_TEXT = { "Content-Type": "text/plain; charset=utf-8" } as const;
const PLAIN_ERROR_TEXT = { ...PLAIN_TEXT, "X-Content-Type-Options": "nosniff" } as const;

const JSON_TEXT = { "Content-Type": "application/json" } as const;

const VERSION_ANSWER: Answer = {
  status: 200,
  headers: JSON_TEXT,
  body: JSON.stringify({ etcdserver: ETCD_VERSION, etcdcluster: CLUSTER_VERSION, storage: STORAGE_VERSION }),
};

/** An error as Go's HTTP server writes it: the text and a newline. */
function plainError(status: number, text: string): Answer {
  return { status, headers: PLAIN_ERROR_TEXT, body: `${text}\n` };
}
