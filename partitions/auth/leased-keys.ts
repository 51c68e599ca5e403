/** A lease as far as permissions ask: which keys it decides over. */
export interface LeasedKeys {
  /** Another one whenever a key has come or gone. */
  readonly version: number;
  readonly keyCount: number;
  /** The attached keys, in no particular order, each as the lossless latin1 string of its bytes. */
  keyTexts(): Iterable<string>;
}
