/**
 * The answer of one call on its way out: JSON that is made piece by piece, no faster than the client takes it and with other
 * work between. A client that takes nothing for a while loses its connection; one that has gone is told of.
 */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Clock, Timer, Turns } from "../clock.ts";
import { GATEWAY_PIECES_PER_TURN, GATEWAY_STALL_MS } from "../limits.ts";

/** One JSON text of the answer. */
export interface JsonText {
  readonly pieces: Iterator<string, unknown>;
  /** What it is made of, while that waits or is being made. */
  readonly bytes: number;
  /** Called once: its last piece was made, or none will be any more. */
  readonly onMade: () => void;
}

export interface OutputListener {
  /** Some of what waited is on its way. */
  onProgress(): void;
  /** Nothing more can be sent: the client has gone, or all was sent. Called once, last. */
  onOver(): void;
}

export class JsonOutput {
  /** What waits or is being made, in bytes of the messages. */
  queuedBytes = 0;
  over = false;
  readonly #response: ServerResponse;
  readonly #clock: Pick<Clock, "after">;
  readonly #turns: Turns;
  readonly #listener: OutputListener;
  #texts: JsonText[] = [];
  #ending = false;
  #awaitsDrain = false;
  #awaitsTurn = false;
  #isPumping = false;
  #stall: Timer | null = null;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    { clock, turns }: { clock: Pick<Clock, "after">; turns: Turns },
    listener: OutputListener,
  ) {
    this.#response = response;
    this.#clock = clock;
    this.#turns = turns;
    this.#listener = listener;
    // A call may take its time: it is not the silence of its socket that ends it.
    if (typeof request.socket.setTimeout === "function") request.socket.setTimeout(0);
    response.on("drain", () => this.#onDrain());
    response.on("close", () => this.#onClose());
  }

  get headersSent(): boolean {
    return this.#response.headersSent;
  }

  /** What is made and not taken. */
  get pendingBytes(): number {
    return this.#response.writableLength;
  }

  /** Answers with all there is to say. */
  answer(status: number, headers: OutgoingHttpHeaders, text: string): void {
    if (this.over) return;
    this.#response.writeHead(status, { ...headers, "Content-Length": Buffer.byteLength(text) });
    this.#response.end(text);
    this.#watch();
  }

  /** Begins an answer that is made of texts. */
  begin(status: number, headers: OutgoingHttpHeaders): void {
    if (!this.over) this.#response.writeHead(status, { ...headers, "Transfer-Encoding": "chunked" });
  }

  send(text: JsonText): void {
    if (this.over || this.#ending) {
      text.onMade();
      return;
    }
    this.#texts.push(text);
    this.queuedBytes += text.bytes;
    this.#pump();
  }

  /** Ends behind what was sent. */
  end(): void {
    if (this.over || this.#ending) return;
    this.#ending = true;
    this.#pump();
  }

  /** Ends at once: the client sees that something is missing. */
  destroy(): void {
    this.#response.destroy();
  }

  #pump(): void {
    if (this.#awaitsDrain || this.#awaitsTurn || this.#isPumping) return;
    this.#isPumping = true;
    let left = GATEWAY_PIECES_PER_TURN;
    while (this.#texts.length > 0 && left > 0 && !this.#awaitsDrain && !this.over) {
      const [text] = this.#texts;
      const piece = text.pieces.next();
      if (piece.done === true) {
        this.#texts.shift();
        this.queuedBytes -= text.bytes;
        text.onMade();
      } else {
        left--;
        this.#awaitsDrain = !this.#response.write(piece.value);
      }
    }
    this.#isPumping = false;
    if (this.over) return;
    if (this.#awaitsDrain) {
      this.#watch();
    } else if (this.#texts.length > 0) {
      this.#awaitsTurn = true;
      this.#turns.later(() => {
        this.#awaitsTurn = false;
        if (!this.over) this.#pump();
      });
    } else if (this.#ending) {
      this.#response.end();
      this.#watch();
    }
    this.#listener.onProgress();
  }

  #onDrain(): void {
    this.#awaitsDrain = false;
    if (this.#response.writableEnded) this.#watch();
    else this.#forgetStall();
    this.#pump();
  }

  /** The client has to take something from now on. */
  #watch(): void {
    this.#forgetStall();
    this.#stall = this.#clock.after(GATEWAY_STALL_MS, () => this.#response.destroy());
  }

  #forgetStall(): void {
    this.#stall?.cancel();
    this.#stall = null;
  }

  #onClose(): void {
    this.#forgetStall();
    this.over = true;
    const texts = this.#texts;
    this.#texts = [];
    for (const { onMade } of texts) onMade();
    this.#listener.onOver();
  }
}
