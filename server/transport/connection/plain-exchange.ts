/**
 * A plain HTTP request that came over HTTP/2, such as `GET /health`. It is handed to the HTTP/1.1 server over a pair of
 * in-memory sockets, so that handlers know one kind of request only. Nothing hot goes this way.
 */

import type { ClientRequest, IncomingMessage, Server } from "node:http";
import { duplexPair } from "node:stream";

import { DEFAULT_FRAME_BYTES_MAX } from "../frames/frames.ts";
import { AUTHORITY, METHOD, PATH, SCHEME, TE } from "../headers/header-field.ts";
import type { HeaderField } from "../headers/header-field.ts";
import { INTERNAL, OK, RESOURCE_EXHAUSTED } from "../../../proto/grpc-codes.ts";
import type { StreamListener } from "../service.ts";
import type { StreamWriter } from "../sending/stream-writer.ts";
import type { Stream } from "../stream/stream.ts";

/** Not imported: an import of this one loads Node's whole `fetch` along, which takes a start 20 ms. */
const { request } = process.getBuiltinModule("node:http");

/** Fields of the HTTP/1.1 connection, which HTTP/2 does not know. */
const HOP_BY_HOP = new Set(["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"]);

/** What a literal header field takes beside its name and value, at most. */
const FIELD_OVERHEAD = 9;
const HEADER_BYTES_MAX = DEFAULT_FRAME_BYTES_MAX;

/** Whose connection it is, which handlers ask its socket for. */
export interface PlainOrigin {
  /** None for a socket in the file system. */
  readonly remoteAddress?: string | undefined;
  /** True over TLS. */
  readonly encrypted?: boolean;
}

export class PlainExchange implements StreamListener {
  readonly #stream: Stream;
  readonly #writer: StreamWriter;
  readonly #request: ClientRequest | null;
  #response: IncomingMessage | null = null;

  constructor(
    stream: Stream,
    fields: readonly HeaderField[],
    writer: StreamWriter,
    server: Server,
    origin: PlainOrigin,
  ) {
    this.#stream = stream;
    this.#writer = writer;
    this.#request = this.#start(fields, server, origin);
  }

  onMessage(bytes: Buffer): void {
    const bytesMax = this.#stream.host.limits.plainBodyBytesMax;
    if (this.#request === null) return;
    if (this.#request.writableLength + bytes.length > bytesMax) {
      this.#fail(413, RESOURCE_EXHAUSTED, `more than ${bytesMax} bytes of the request body wait`);
    } else {
      this.#request.write(Buffer.from(bytes));
    }
  }

  onHalfClose(): void {
    this.#request?.end();
  }

  onDrain(): void {
    this.#response?.resume();
  }

  onClose(): void {
    this.#request?.destroy();
  }

  #start(fields: readonly HeaderField[], server: Server, origin: PlainOrigin): ClientRequest | null {
    const [ours, theirs] = duplexPair();
    const { remoteAddress, encrypted } = origin;
    const { certifiedUser } = this.#stream;
    Object.assign(theirs, { remoteAddress, certifiedUser }, encrypted === true ? { encrypted } : {});
    // The two ends do not learn of each other's destruction by themselves. What the server wrote before is still read.
    ours.on("close", () => theirs.destroy());
    theirs.on("close", () => {
      if (!theirs.writableFinished) ours.destroy();
    });
    const valueOf = (kind: number): string => fields.find((field) => field.kind === kind)?.value ?? "";
    const headers: string[] = ["host", valueOf(AUTHORITY)];
    for (const { kind, name, value } of fields) {
      if (kind !== AUTHORITY && kind !== METHOD && kind !== PATH && kind !== SCHEME && kind !== TE && name !== "host") {
        headers.push(name, value);
      }
    }
    let outgoing: ClientRequest;
    try {
      outgoing = request({ method: valueOf(METHOD), path: valueOf(PATH), headers, createConnection: () => ours });
    } catch (error) {
      // The path or a header has octets that HTTP/1.1 forbids.
      this.#fail(400, INTERNAL, String(error));
      return null;
    }
    outgoing.on("response", (response) => this.#onResponse(response));
    outgoing.on("error", (error) => this.#fail(502, INTERNAL, String(error)));
    server.emit("connection", theirs);
    return outgoing;
  }

  #onResponse(response: IncomingMessage): void {
    if (this.#stream.closed) return;
    this.#response = response;
    const fields: [string, string][] = [[":status", String(response.statusCode)]];
    for (let i = 0; i + 1 < response.rawHeaders.length; i += 2) {
      const name = response.rawHeaders[i].toLowerCase();
      if (!HOP_BY_HOP.has(name)) fields.push([name, response.rawHeaders[i + 1]]);
    }
    if (
      fields.reduce((sum, [name, value]) => sum + name.length + value.length + FIELD_OVERHEAD, 0) > HEADER_BYTES_MAX
    ) {
      this.#fail(502, INTERNAL, "the answer's headers do not fit a frame");
      return;
    }
    this.#writer.sendPlainHeaders(this.#stream, fields);
    response.on("data", (chunk: Buffer) => {
      if (this.#stream.closed) return;
      this.#writer.sendPlain(this.#stream, chunk);
      if (!this.#stream.writable) response.pause();
    });
    response.on("end", () => {
      if (!this.#stream.closed && response.complete) this.#writer.end(this.#stream, { code: OK, message: "" });
    });
    response.on("error", (error) => this.#fail(502, INTERNAL, String(error)));
    // Behind the end this does nothing; without it, the answer broke off.
    response.on("close", () => this.#fail(502, INTERNAL, "the answer broke off"));
  }

  /** Answers with a status alone; once a part of the answer is sent, only a reset is left. */
  #fail(httpStatus: number, code: number, message: string): void {
    if (this.#stream.closed) return;
    if (this.#stream.headersSent) this.#writer.abort(this.#stream, { code, message });
    else this.#writer.refuse(this.#stream, httpStatus, { code, message });
  }
}
