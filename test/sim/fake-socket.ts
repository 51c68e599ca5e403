/**
 * A connection on a socket that is none: the test hands it octets in chunks of its choice and decides when the peer takes
 * output, so that what depends on a peer's pace is the same in every run.
 */

import type { Socket } from "node:net";
import { Duplex } from "node:stream";

import { Connection } from "../../server/transport/connection/connection.ts";
import { ACK, PREFACE, SETTINGS, encodeFrame, encodeSettings } from "../../server/transport/frames/frames.ts";
import type { GrpcServer } from "../../server/transport/grpc-server.ts";
import { FrameLog } from "../server/transport/raw-client.ts";

export class FakeSocket extends Duplex {
  /** What the peer has taken. */
  readonly log = new FrameLog();
  /** All bytes ever written, as of a socket. */
  bytesWritten = 0;
  #stalled = false;
  #blockedWrite: (() => void) | null = null;

  override _read(): void {
    // The test hands octets to the connection itself.
  }

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    const taken = Buffer.from(chunk);
    const take = (): void => {
      this.bytesWritten += taken.length;
      this.log.add(taken);
      callback();
    };
    if (this.#stalled) this.#blockedWrite = take;
    else take();
  }

  /** The peer takes nothing any more. */
  stall(): void {
    this.#stalled = true;
  }

  /** The peer takes everything again. */
  unstall(): void {
    this.#stalled = false;
    const blocked = this.#blockedWrite;
    this.#blockedWrite = null;
    blocked?.();
  }
}

export interface FakePeer {
  readonly socket: FakeSocket;
  readonly connection: Connection;
  /** Hands octets to the connection in one chunk, which is overwritten afterwards. */
  send(...octets: readonly Uint8Array[]): void;
}

/** A connection without preface yet. */
export function fakeConnection(server: GrpcServer): FakePeer {
  const socket = new FakeSocket();
  // The connection uses of a socket only what FakeSocket has.
  const connection = new Connection(socket as unknown as Socket, server, { certifiedUser: null, traffic: "grpc+http" });
  const send = (...octets: readonly Uint8Array[]): void => {
    const chunk = Buffer.concat(octets);
    connection.read(chunk, 0, chunk.length);
    chunk.fill(0xdb);
  };
  return { socket, connection, send };
}

/** A connection that has exchanged SETTINGS. */
export function openFake(server: GrpcServer, settings: Parameters<typeof encodeSettings>[0] = []): FakePeer {
  const peer = fakeConnection(server);
  peer.send(
    PREFACE,
    encodeFrame(SETTINGS, 0, 0, encodeSettings(settings)),
    encodeFrame(SETTINGS, ACK, 0, Buffer.alloc(0)),
  );
  peer.socket.log.frames.length = 0;
  return peer;
}
