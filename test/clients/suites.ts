/** All suites, in the order of the table. */
import type { Suite } from "./suite.ts";
import { goClientv3 } from "./suites/go-clientv3.ts";
import { goVitess } from "./suites/go-vitess.ts";
import { javaJetcd } from "./suites/java-jetcd.ts";
import { nodeEtcd3 } from "./suites/node-etcd3.ts";
import { pythonAetcd } from "./suites/python-aetcd.ts";
import { pythonEtcd3 } from "./suites/python-etcd3.ts";
import { pythonEtcd3gw } from "./suites/python-etcd3gw.ts";
import { pythonPatroni } from "./suites/python-patroni.ts";
import { rustEtcdClient } from "./suites/rust-etcd-client.ts";

export const SUITES: readonly Suite[] = [
  goClientv3,
  goVitess,
  pythonEtcd3gw,
  pythonEtcd3,
  pythonAetcd,
  rustEtcdClient,
  nodeEtcd3,
  pythonPatroni,
  javaJetcd,
];
