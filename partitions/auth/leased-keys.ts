/** A lease as far as permissions ask: which keys it decides over. */
export interface LeasedKeys {
  /** One more whenever a key has come or gone. */
  readonly version: number;
  readonly keyCount: number;
  /** The attached keys, those that came last first, each as the lossless latin1 string of its bytes. */
  keyTexts(): Iterable<string>;
}
