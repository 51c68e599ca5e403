/**
 * Gives packets to a socket, one write at a time: what comes meanwhile waits here, where a beat goes past frames, and where
 * there is a limit, so that a peer that reads nothing costs no more.
 */
import type { Duplex } from "node:stream";
import { SENT_TOGETHER_BYTES, UNSENT_BYTES_MAX } from "../limits.ts";
import type { Packet } from "./message-codec.ts";

export class PacketSender {
  readonly #socket: Duplex;
  /** They go first. */
  #urgent: Packet[] = [];
  #ordinary: Packet[] = [];
  #isWriting = false;
  /** Of all packets that were taken and not written. */
  #unsentBytes = 0;

  constructor(socket: Duplex) {
    this.#socket = socket;
  }

  /** @returns false when the packet is lost */
  send(packet: Packet, isUrgent: boolean): boolean {
    // Looked at before the packet is counted, so that the largest one can be sent, too.
    if (this.#unsentBytes > UNSENT_BYTES_MAX) return false;
    this.#unsentBytes += packet.length;
    if (isUrgent) this.#urgent.push(packet);
    else this.#ordinary.push(packet);
    if (!this.#isWriting) this.#write();
    return true;
  }

  /** All urgent packets, and of the others as many as make one good write. */
  #write(): void {
    const packets = this.#urgent;
    this.#urgent = [];
    let bytes = packets.reduce((sum, packet) => sum + packet.length, 0);
    let count = 0;
    while (count < this.#ordinary.length && (count === 0 || bytes < SENT_TOGETHER_BYTES)) {
      bytes += this.#ordinary[count].length;
      count++;
    }
    packets.push(...this.#ordinary.splice(0, count));
    const buffers = packets.flatMap(({ head, frames }) => [head, ...frames]);
    const last = buffers.length - 1;
    this.#isWriting = true;
    this.#socket.cork();
    for (let i = 0; i < last; i++) this.#socket.write(buffers[i]);
    this.#socket.write(buffers[last], (error) => this.#onWritten(bytes, error ?? null));
    this.#socket.uncork();
  }

  #onWritten(bytes: number, error: Error | null): void {
    this.#isWriting = false;
    this.#unsentBytes -= bytes;
    // The socket is at its end, and says so to its owner.
    if (error !== null) return;
    if (this.#urgent.length + this.#ordinary.length > 0) this.#write();
  }
}
