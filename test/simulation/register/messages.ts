/** What servers and replicas of the register say to one another. */
export interface Version {
  /** 0 when there is no value. */
  readonly revision: number;
  readonly value: string;
}

/** Each returns what the replica has durable. */
export type ReplicaRequest =
  | { readonly kind: "query"; readonly seq: number }
  | { readonly kind: "store"; readonly seq: number; readonly version: Version };

export interface ReplicaAnswer {
  readonly kind: "version";
  readonly seq: number;
  readonly version: Version;
}
