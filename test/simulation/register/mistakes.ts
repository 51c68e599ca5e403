/** What can be made wrong in the register. */
export interface Mistakes {
  readonly acksBeforeSync?: boolean;
  readonly quorumTooSmall?: boolean;
  readonly getsStoreNothing?: boolean;
}
