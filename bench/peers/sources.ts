// Which real programs there are to compare with ("peers"), and from what each of them is built.

import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface Source {
  /** The Go module beside this file. */
  readonly folder: "etcd" | "kubernetes";
  /** The package in it, and the program's own name. */
  readonly program: string;
  /** Says which versions of others' modules go in. Its .sum lies beside it. */
  readonly modFile: string;
}

// Quick ones first: who builds all of them soon has something to work with.
const SOURCES = {
  etcd: { folder: "etcd", program: "etcd", modFile: "go.mod" },
  etcdctl: { folder: "etcd", program: "etcdctl", modFile: "go.mod" },
  etcdutl: { folder: "etcd", program: "etcdutl", modFile: "go.mod" },
  // Those before it, which a backup has to start as well.
  "etcd-3.6": { folder: "etcd", program: "etcd", modFile: "3.6.mod" },
  "etcd-3.5": { folder: "etcd", program: "etcd", modFile: "3.5.mod" },
  "etcdutl-snapshot-3.6": { folder: "etcd", program: "etcdutl-snapshot", modFile: "3.6.mod" },
  "etcdutl-snapshot-3.5": { folder: "etcd", program: "etcdutl-snapshot", modFile: "3.5.mod" },
  descriptors: { folder: "etcd", program: "descriptors", modFile: "go.mod" },
  clientv3: { folder: "etcd", program: "clientv3", modFile: "go.mod" },
  kubectl: { folder: "kubernetes", program: "kubectl", modFile: "go.mod" },
  "kube-apiserver-1.37": { folder: "kubernetes", program: "kube-apiserver", modFile: "go.mod" },
  // The last minor version that knows nothing of RangeStream, from the same few lines of Go.
  "kube-apiserver-1.36": { folder: "kubernetes", program: "kube-apiserver", modFile: "1.36.mod" },
} as const satisfies Record<string, Source>;

export type PeerName = keyof typeof SOURCES;

export const PEER_NAMES = Object.keys(SOURCES) as readonly PeerName[]; // It has no other keys.

export function sourceOf(name: PeerName): Source {
  return SOURCES[name];
}

/** The module's folder, where go is to run. */
export function moduleFolder({ folder }: Source): string {
  return join(import.meta.dirname, folder);
}

export function readModFile(source: Source): string {
  return readFileSync(join(moduleFolder(source), source.modFile), "utf8");
}

export function sumFile({ modFile }: Source): string {
  return modFile.replace(/\.mod$/, ".sum");
}
