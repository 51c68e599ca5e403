/** Servers that a command speaks to over HTTP: where they listen, and what they answer. */
import { request } from "node:http";
import type { IncomingMessage } from "node:http";

export const ENDPOINT_DEFAULT = "http://127.0.0.1:2379";

const ANSWER_BYTES_MAX = 8 * 1024 * 1024;

/** Where a server listens, as `http.request` takes it. */
type Address = { readonly host: string; readonly port: number } | { readonly socketPath: string };

export interface Endpoint {
  readonly url: string;
  readonly address: Address;
}

/** @throws Error that says why it cannot be used */
export function endpointOf(url: string): Endpoint {
  const unix = /^unix:(?:\/\/)?(.+)$/.exec(url);
  if (unix !== null) return { url, address: { socketPath: unix[1] } };
  if (/^(?:https|unixs):/.test(url)) {
    throw new Error(`${url}: TLS is not supported yet; ask at --listen-metrics-urls, or on the server's machine`);
  }
  const match = /^(?:http:\/\/)?(?:\[([0-9a-fA-F:.%]+)\]|([^:/[\]]+)):(\d{1,5})\/?$/.exec(url);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) throw new Error(`${url}: an endpoint is http://host:port, or unix:///path`);
  return { url, address: { host: match[1] ?? match[2], port } };
}

/** @throws Error why there is no answer; `TimeoutError` when there is none in time */
export function askFor(
  method: "GET" | "POST",
  { address }: Endpoint,
  path: string,
  waitMs: number,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const signal = AbortSignal.timeout(waitMs);
  const failed = (error: Error): void => reject(signal.aborted ? (signal.reason as Error) : error);
  request({ ...address, method, path, agent: false, signal }, resolve)
    .on("error", failed)
    .end();
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
