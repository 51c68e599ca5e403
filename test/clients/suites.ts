/** All suites, in the order of the table. */
import type { Suite } from "./suite.ts";
import { pythonAetcd } from "./suites/python-aetcd.ts";
import { pythonEtcd3 } from "./suites/python-etcd3.ts";
import { pythonEtcd3gw } from "./suites/python-etcd3gw.ts";
import { rustEtcdClient } from "./suites/rust-etcd-client.ts";

export const SUITES: readonly Suite[] = [pythonEtcd3gw, pythonEtcd3, pythonAetcd, rustEtcdClient];
