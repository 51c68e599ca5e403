/**
 * The versions this server names: its own, and the etcd release whose behaviour it offers. Clients switch features on by
 * the latter, so it changes only together with a run of the comparison against that release.
 */
import manifest from "../package.json" with { type: "json" };

/** Plinth's own version. */
export const PLINTH_VERSION: string = manifest.version;

/** The etcd release whose API, texts and metrics are offered; `Status.version` and `/version` say it. */
export const ETCD_VERSION = "3.7.3";

/** The cluster version as `/version` and `etcd_cluster_version` show it: the release's minor with patch 0. */
export const CLUSTER_VERSION = "3.7.0";

/** The storage version as `Status.storageVersion` and `/version` show it. */
export const STORAGE_VERSION = "3.7.0";
