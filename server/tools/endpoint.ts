/** Servers that a command speaks to over HTTP: where they listen, and what they answer. */
import { request } from "node:http";
import type { IncomingMessage } from "node:http";
import { request as secureRequest } from "node:https";
import type { ConnectionOptions } from "node:tls";

export const ENDPOINT_DEFAULT = "http://127.0.0.1:2379";

const ANSWER_BYTES_MAX = 8 * 1024 * 1024;

/** Where a server listens, as `http.request` takes it. */
type Address = { readonly host: string; readonly port: number } | { readonly socketPath: string };

export interface Endpoint {
  readonly url: string;
  readonly address: Address;
  /** How its certificate is checked, and what it is shown; null without TLS. */
  readonly tls: ConnectionOptions | null;
}

/**
 * @param tls for those that have it
 * @throws Error that says why it cannot be used
 */
export function endpointOf(url: string, tls: ConnectionOptions): Endpoint {
  const unix = /^unix(s?):(?:\/\/)?(.+)$/.exec(url);
  if (unix !== null) {
    const socketPath = unix[2];
    // A path is no name that a certificate could be for.
    return { url, address: { socketPath }, tls: unix[1] === "" ? null : { servername: "localhost", ...tls } };
  }
  const match = /^(?:http(s?):\/\/)?(?:\[([0-9a-fA-F:.%]+)\]|([^:/[\]]+)):(\d{1,5})\/?$/.exec(url);
  const port = Number(match?.[4]);
  if (match === null || port > 65_535) {
    throw new Error(`${url}: an endpoint is http://host:port or unix:///path, with https or unixs for TLS`);
  }
  return { url, address: { host: match[2] ?? match[3], port }, tls: match[1] === "s" ? tls : null };
}

/** @throws Error why there is no answer; `TimeoutError` when there is none in time */
export function askFor(
  method: "GET" | "POST",
  { address, tls }: Endpoint,
  path: string,
  waitMs: number,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const signal = AbortSignal.timeout(waitMs);
  const failed = (error: Error): void => reject(signal.aborted ? (signal.reason as Error) : error);
  const options = { ...address, method, path, agent: false, signal } as const;
  const asked = tls === null ? request(options, resolve) : secureRequest({ ...options, ...tls }, resolve);
  asked.on("error", failed).end();
  return promise;
}

export async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`the answer is longer than ${ANSWER_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** Several addresses of one host have failed together when there is no text. */
export function reasonOf(error: Error): string {
  if (error instanceof AggregateError) return error.errors.map(String).join("; ");
  return error.message;
}
