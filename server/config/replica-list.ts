/** The list of the journal's replicas: in which zone each is, and where. */
import { resolve } from "node:path";
import { formatReplicaAddress, parseReplicaAddress } from "../../journal/quorum/replica-address.ts";
import type { ReplicaAddress } from "../../journal/quorum/replica-address.ts";
import { ConfigError, type Setting } from "./settings.ts";

/** A replica of the journal: in a directory of this process, or at an address, where another process keeps it. */
export type JournalReplica =
  | { readonly zone: string; readonly directory: string }
  | { readonly zone: string; readonly address: ReplicaAddress };

/** One has no majority to ask for, and is in a directory. */
const REPLICA_COUNTS: readonly number[] = [1, 3, 5];

/** What a zone may be called. */
const ZONE = /^[a-z0-9-]{1,32}$/;

/** Null when none are given. */
export function readReplicas(setting: Setting): JournalReplica[] | null {
  if (setting.text === "") return null;
  const replicas = setting.text.split(",").map((text) => readReplica(setting, text));
  if (!REPLICA_COUNTS.includes(replicas.length)) {
    throw ConfigError.invalid(setting, `there must be 1, 3 or 5 replicas, and ${replicas.length} are given`);
  }
  if (replicas.length === 1 && "address" in replicas[0]) {
    throw ConfigError.invalid(setting, "a replica that is the only one is in a directory");
  }
  const zones = new Set<string>();
  const places = new Map<string, string>();
  for (const replica of replicas) {
    const { zone } = replica;
    if (zones.has(zone)) throw ConfigError.invalid(setting, `zone ${zone} is given twice`);
    zones.add(zone);
    const place = placeOf(replica);
    const other = places.get(place);
    if (other !== undefined) {
      const what = "directory" in replica ? "in one directory" : "at one address";
      throw ConfigError.invalid(setting, `zones ${other} and ${zone} are ${what}`);
    }
    places.set(place, zone);
  }
  return replicas;
}

export function readZone(setting: Setting): string {
  if (!ZONE.test(setting.text)) throw ConfigError.invalid(setting, "a zone is 1 to 32 of a-z, 0-9 and -");
  return setting.text;
}

function readReplica(setting: Setting, text: string): JournalReplica {
  const equals = text.indexOf("=");
  const zone = text.slice(0, equals);
  const place = text.slice(equals + 1);
  if (equals < 0 || !ZONE.test(zone) || place === "") {
    throw ConfigError.invalid(
      setting,
      `${JSON.stringify(text)} is not of the form zone=DIRECTORY or zone=tcp://host:port`,
    );
  }
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(place)) return { zone, directory: place };
  const address = parseReplicaAddress(place);
  if (typeof address === "string") throw ConfigError.invalid(setting, `zone ${zone}: ${address}`);
  return { zone, address };
}

/** However it is written: at a port there is one listener, be it asked over TCP or over TLS. */
function placeOf(replica: JournalReplica): string {
  if ("directory" in replica) return resolve(replica.directory);
  const { host, port } = replica.address;
  const name = host.toLowerCase().replace(/\.$/, "");
  return formatReplicaAddress({ isSecure: false, host: name === "localhost" ? "127.0.0.1" : name, port });
}

/** As people are told it: the directory, absolute, or the address. */
export function describePlace(replica: JournalReplica): string {
  return "directory" in replica ? resolve(replica.directory) : formatReplicaAddress(replica.address);
}
