/** How much all calls of the gateway hold together. */
import { GATEWAY_CALLS_MAX, GATEWAY_HELD_BYTES_MAX, GATEWAY_OWED_BYTES_MAX } from "../limits.ts";

export class GatewayRoom {
  calls = 0;
  /** Of requests that are not whole. */
  heldBytes = 0;
  /** Of long answers that are not taken, in bytes of the messages. */
  owedBytes = 0;

  get refusesCalls(): boolean {
    return this.calls >= GATEWAY_CALLS_MAX;
  }

  get dropsLongAnswers(): boolean {
    return this.owedBytes > GATEWAY_OWED_BYTES_MAX;
  }

  get holdsTooMuch(): boolean {
    return this.heldBytes > GATEWAY_HELD_BYTES_MAX;
  }
}
