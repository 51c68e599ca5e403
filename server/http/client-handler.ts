/**
 * The front of HTTP on the clients' port, as etcd has it: which hosts and which origins are served, paths in other spellings,
 * and whether the JSON gateway answers or what `/health` and its like do.
 */
import type { IncomingMessage, ServerResponse } from "node:http";

import { answerInTurn } from "./answer-in-turn.ts";
import type { DebugHandler } from "./debug-handler.ts";
import type { HttpHandler } from "./http-handler.ts";

export interface ClientHandlerOptions {
  /** Answers whatever the others do not. */
  readonly plain: HttpHandler;
  /** Answers requests to paths below `/debug/`. */
  readonly debug: DebugHandler;
  /** Answers requests to paths below `/v3/`; null without one. */
  readonly gateway: ((request: IncomingMessage, response: ServerResponse, path: string) => void) | null;
  /** Origins whose pages may read the answers, `*` for all. */
  readonly cors: ReadonlySet<string>;
  /** Host names by which the server may be asked, `*` for all. */
  readonly hosts: ReadonlySet<string>;
  /** Whether calls are made by users. */
  readonly isAuthEnabled: () => boolean;
}

/** etcd's words to who would be taken for nobody at the gateway, where a certificate names no user. */
const IGNORED_NAME = "CommonName of client sending a request against gateway will be ignored and not used as expected";

export function createClientHandler(options: ClientHandlerOptions): HttpHandler {
  const { plain, debug, gateway, cors, hosts, isAuthEnabled } = options;
  return answerInTurn((request, response) => {
    const target = splitTarget(request.url ?? "/");
    if (target === null) return answer(request, response, 400, "400 Bad Request", { Connection: "close" });
    const { query } = target;
    const path = target.path.startsWith(OLD_PREFIX) ? `/v3/${target.path.slice(OLD_PREFIX.length)}` : target.path;
    const host = hostOf(request.headers.host ?? "");
    // Over TLS the certificate says who is asked.
    if (!("encrypted" in request.socket) && !hosts.has("*") && !hosts.has(host)) {
      return answer(request, response, 421, foreignHost(host));
    }
    if (gateway !== null && path.startsWith("/v3/") && hasName(request.socket) && isAuthEnabled()) {
      return answer(request, response, 400, IGNORED_NAME);
    }
    allowOrigin(response, cors, request.headers.origin);
    if (request.method === "OPTIONS") {
      response.writeHead(200, { "Content-Length": 0 }).end();
      return;
    }
    const place = gateway !== null && path === "/v3" ? "/v3/" : cleaned(path);
    if (place !== path) redirect(request, response, place + query);
    else if (gateway !== null && path.startsWith("/v3/")) gateway(request, response, path);
    else if (path.startsWith("/debug/")) debug(request, response, path, query);
    else plain(request, response);
  });
}

/** Whether the client's certificate makes it a user, which the transport says at the socket. */
function hasName(socket: object): boolean {
  return "certifiedUser" in socket && typeof socket.certifiedUser === "string" && socket.certifiedUser !== "";
}

/** Where the gateway was before etcd 3.4, which still answers there. */
const OLD_PREFIX = "/v3beta/";

/** A request's path as it is meant, and the rest from the question mark on; null for what cannot be read. */
function splitTarget(url: string): { path: string; query: string } | null {
  // A proxy's clients name the whole address.
  const target = url.replace(/^https?:\/\/[^/?]*/i, "");
  const question = target.indexOf("?");
  const written = question < 0 ? target : target.slice(0, question);
  try {
    return { path: decodeURIComponent(written), query: question < 0 ? "" : target.slice(question) };
  } catch {
    return null;
  }
}

/** Without a port, and without the brackets of an address. */
function hostOf(host: string): string {
  return host.replace(/:\d*$/, "").replace(/^\[(.*)\]$/, "$1");
}

function allowOrigin(response: ServerResponse, cors: ReadonlySet<string>, origin: string | undefined): void {
  const allowed = cors.has("*") ? "*" : origin !== undefined && cors.has(origin) ? origin : null;
  if (allowed === null) return;
  response.setHeader("Access-Control-Allow-Methods", "POST, GET, OPTIONS, PUT, DELETE");
  response.setHeader("Access-Control-Allow-Origin", allowed);
  response.setHeader("Access-Control-Allow-Headers", "accept, content-type, authorization");
}

/** A path without empty and dotted parts. */
function cleaned(path: string): string {
  if (!/\/(?:\.{0,2}\/|\.{1,2}$)/.test(path)) return path;
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  const end = path.endsWith("/") && parts.length > 0 ? "/" : "";
  return `/${parts.join("/")}${end}`;
}

function redirect(request: IncomingMessage, response: ServerResponse, location: string): void {
  const Location = encodeURI(location);
  if (request.method === "GET" || request.method === "HEAD") {
    const body = `<a href="${escaped(Location)}">Temporary Redirect</a>.\n\n`;
    answer(request, response, 307, body, { Location, "Content-Type": "text/html; charset=utf-8" });
  } else {
    answer(request, response, 307, "", { Location });
  }
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll('"', "&#34;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** @param headers beside those of an error */
function answer(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  // Nothing here takes a body. Whatever its length it is not waited for: the connection ends with the answer.
  if (request.headers["transfer-encoding"] !== undefined || Number(request.headers["content-length"] ?? 0) > 0) {
    response.setHeader("Connection", "close");
  }
  const type = status >= 400 ? ERROR_TEXT : {};
  response.writeHead(status, { ...type, ...headers, "Content-Length": Buffer.byteLength(body) });
  response.end(request.method === "HEAD" ? undefined : body);
}

const ERROR_TEXT = { "Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff" } as const;

/** etcd's words. */
function foreignHost(host: string): string {
  return `
etcd received your request, but the Host header was unrecognized.

To fix this, choose one of the following options:
- Enable TLS, then any HTTPS request will be allowed.
- Add the hostname you want to use to the whitelist in settings.
  - e.g. etcd --host-whitelist ${JSON.stringify(host)}

This requirement has been added to help prevent "DNS Rebinding" attacks (CVE-2018-5702).

`;
}
