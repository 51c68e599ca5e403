/**
 * What stands for a set of revisions: how many they are and a sum of them, mixed. The writer adds the revisions of its
 * acknowledged writes in the order of the answers, and each watcher those of its events: alike, and each watcher's in
 * ascending order, it saw every one of them exactly once and nothing else.
 */

export interface FingerprintValue {
  readonly count: number;
  readonly sum: number;
}

export class Fingerprint implements FingerprintValue {
  count = 0;
  sum = 0;

  add(revision: number): void {
    let mixed = Math.imul((revision % 2 ** 32) ^ Math.floor(revision / 2 ** 32), 0x9e3779b1);
    mixed ^= mixed >>> 15;
    this.count++;
    this.sum = (this.sum + Math.imul(mixed, 0x85ebca6b)) | 0;
  }

  value(): FingerprintValue {
    return { count: this.count, sum: this.sum };
  }
}
