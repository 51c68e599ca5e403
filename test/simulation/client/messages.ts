/** What simulated clients say to a server, and it to them. */
import type { Write } from "../../sim/world/history.ts";

export type ClientRequest =
  | { readonly kind: "put"; readonly id: number; readonly key: string; readonly value: string }
  | { readonly kind: "get"; readonly id: number; readonly key: string }
  /** Asks for all writes from a revision on. A later one of the same client ends it. */
  | { readonly kind: "watch"; readonly id: number; readonly from: number };

/** No answer at all means that nobody knows. */
export type ServerAnswer =
  /** Of a put the revision that it got; of a get that of the value, 0 when there is none. */
  | { readonly kind: "answer"; readonly id: number; readonly revision: number; readonly value: string | null }
  | { readonly kind: "refused"; readonly id: number }
  /** What a watch shows; `seq` counts its messages from 0, so that a lost one is noticed. */
  | { readonly kind: "shown"; readonly id: number; readonly seq: number; readonly writes: readonly Write[] };
