/** Why what is there cannot be imported: a sentence for who asked for it. Nothing has been touched. */
export class EtcdRefusal extends Error {
  readonly code = "ETCD_REFUSED";
}
