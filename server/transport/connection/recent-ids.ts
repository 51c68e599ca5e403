/**
 * The ids of streams that we ended before the client did. Frames that the client sent before it learnt of it are still
 * on their way and are no fault of the client. Older ids are forgotten: what such a frame then meets, a RST_STREAM for
 * a stream that the client has closed as well, does no harm.
 */
const IDS_MAX = 4_096;

export class RecentIds {
  readonly #ids = new Set<number>();

  add(id: number): void {
    if (this.#ids.size >= IDS_MAX) {
      // A Set iterates in the order of insertion: the first is the oldest.
      for (const oldest of this.#ids) {
        this.#ids.delete(oldest);
        break;
      }
    }
    this.#ids.add(id);
  }

  has(id: number): boolean {
    return this.#ids.has(id);
  }
}
