/** `/debug/…` on the clients' port: etcd's variables, and with `--enable-pprof` profiles of V8 in the place of Go's. */
import type { IncomingMessage, ServerResponse } from "node:http";

import { PROFILE_SECONDS_DEFAULT } from "../limits.ts";
import type { Logger } from "../host/logger.ts";
import { ProfilerBusyError } from "../host/profiler.ts";
import type { ProfileKind, Profiler } from "../host/profiler.ts";

export interface DebugHandlerOptions {
  /** What `/debug/vars` tells. */
  readonly vars: () => Readonly<Record<string, unknown>>;
  /** Null without profiles. */
  readonly profiler: Pick<Profiler, "profile"> | null;
  readonly argv: readonly string[];
  readonly logger: Logger;
}

/** Answers one request. @param path without its query */
export type DebugHandler = (request: IncomingMessage, response: ServerResponse, path: string, query: string) => void;

export function createDebugHandler({ vars, profiler, argv, logger }: DebugHandlerOptions): DebugHandler {
  return (request, response, path, query) => {
    if (path === "/debug/vars") {
      if (request.method === "GET") answer(response, 200, VARS_TEXT, goVars(vars()));
      else answer(response, 405, { ...PLAIN_TEXT, Allow: "GET" }, "Method Not Allowed\n");
      return;
    }
    const name = profiler !== null && path.startsWith(PROFILES) ? path.slice(PROFILES.length) : null;
    const profile = name === null ? undefined : PROFILE_FILES.get(name);
    if (profiler !== null && profile !== undefined) {
      // Rejections are answered and logged inside.
      void sendProfile(profiler, profile, request, response, new URLSearchParams(query), logger);
    } else if (name === "cmdline") {
      answer(response, 200, PLAIN_TEXT, argv.join("\0"));
    } else if (name === "") {
      answer(response, 200, PLAIN_TEXT, INDEX);
    } else {
      answer(response, 404, PLAIN_TEXT, "404 page not found\n");
    }
  };
}

const PROFILES = "/debug/pprof/";

interface ProfileFile {
  readonly kind: ProfileKind;
  /** Named after V8's format. */
  readonly file: string;
}

const PROFILE_FILES: ReadonlyMap<string, ProfileFile> = new Map([
  ["profile", { kind: "cpu", file: "profile.cpuprofile" }],
  ["heap", { kind: "heap", file: "heap.heapprofile" }],
]);

const INDEX = `profile?seconds=30  where time goes, as V8's .cpuprofile
heap?seconds=30     what is allocated meanwhile and stays, as V8's .heapprofile
cmdline             the command line
`;

async function sendProfile(
  profiler: Pick<Profiler, "profile">,
  { kind, file }: ProfileFile,
  request: IncomingMessage,
  response: ServerResponse,
  query: URLSearchParams,
  logger: Logger,
): Promise<void> {
  // Nothing is said before it is there.
  if (typeof request.socket.setTimeout === "function") request.socket.setTimeout(0);
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  // Whole numbers alone, as in Go.
  const asked = Number(/^\d+$/.exec(query.get("seconds") ?? "")?.[0] ?? 0);
  try {
    const text = await profiler.profile(kind, asked > 0 ? asked : PROFILE_SECONDS_DEFAULT, gone.signal);
    const headers = { "Content-Type": "application/json", "Content-Disposition": `attachment; filename="${file}"` };
    answer(response, 200, headers, text);
  } catch (error) {
    if (!(error instanceof ProfilerBusyError)) logger.error({ error, kind }, "failed to make a profile");
    answer(
      response,
      500,
      PLAIN_TEXT,
      `Could not enable profiling: ${error instanceof Error ? error.message : error}\n`,
    );
  }
}

/** As Go's expvar writes them. */
function goVars(vars: Readonly<Record<string, unknown>>): string {
  const lines = Object.entries(vars).map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  return `{\n${lines.join(",\n")}\n}\n`;
}

const PLAIN_TEXT = { "Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff" } as const;
const VARS_TEXT = { "Content-Type": "application/json; charset=utf-8" } as const;

function answer(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: string,
): void {
  const { method, headers: asked } = response.req;
  if (asked["transfer-encoding"] !== undefined || Number(asked["content-length"] ?? 0) > 0) {
    // No body is waited for.
    response.setHeader("Connection", "close");
  }
  response.writeHead(status, { ...headers, "Content-Length": Buffer.byteLength(body) });
  response.end(method === "HEAD" ? undefined : body);
}
