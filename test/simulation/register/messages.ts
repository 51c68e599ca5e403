/** What clients, servers and replicas of the register say to one another. */
export interface Version {
  /** 0 when there is no value. */
  readonly revision: number;
  readonly value: string;
}

export type ClientRequest =
  | { readonly kind: "put"; readonly id: number; readonly value: string }
  | { readonly kind: "get"; readonly id: number };

/** No answer at all means that nobody knows. */
export type ServerAnswer =
  | { readonly kind: "answer"; readonly id: number; readonly version: Version }
  | { readonly kind: "refused"; readonly id: number };

/** Each returns what the replica has durable. */
export type ReplicaRequest =
  | { readonly kind: "query"; readonly seq: number }
  | { readonly kind: "store"; readonly seq: number; readonly version: Version };

export interface ReplicaAnswer {
  readonly kind: "version";
  readonly seq: number;
  readonly version: Version;
}
