/** What is typed into etcdctl, in this order, on a store that is empty before and nearly so at the end. */
import type { Step } from "../support/etcdctl-transcript.ts";

/** Sizes, and what Raft counts. */
const NUMBERS = /(?<![.\d])\d+(?![.\d])/g;

/** Leases' ids go into the hash: what had one is compacted before. */
const HASHES: readonly Step[] = [
  { run: "put mark 1 --write-out=json", keep: { name: "REVISION", from: /"revision":(\d+)/ } },
  { run: "compaction $REVISION" },
  // What is remembered of a compaction has all that is younger than the one before.
  { run: "put mark 2 --write-out=json", keep: { name: "SECOND", from: /"revision":(\d+)/ } },
  { run: "compaction $SECOND" },
  { run: "put mark 3" },
  { run: "endpoint hashkv" },
  { run: "endpoint hashkv --rev=$SECOND" },
  { run: "endpoint hashkv --rev=7" },
  { run: "endpoint hashkv --rev=1000000" },
  { run: "del mark" },
];

const KEYS: readonly Step[] = [
  { run: "put a 1" },
  { run: "put a 2 --prev-kv" },
  { run: "put b/1 x" },
  { run: "put b/2 y" },
  { run: "put b/3" },
  { run: "put b/3 --ignore-value --lease=0" },
  { run: "put none --ignore-value" },
  { run: "put b/2 z --ignore-lease" },
  { run: "get a" },
  { run: "get none" },
  { run: "get a b/3" },
  { run: "get b/ --prefix" },
  { run: "get b/ --prefix --keys-only" },
  { run: "get b/ --prefix --count-only" },
  { run: "get b/ --prefix --print-value-only" },
  { run: "get b/ --prefix --limit=2" },
  { run: "get b/ --prefix --order=DESCEND --sort-by=VALUE" },
  { run: "get b/ --prefix --sort-by=MODIFY" },
  { run: "get b/ --prefix --min-mod-rev=5 --max-create-rev=6" },
  { run: "get b/2 --from-key --limit=3" },
  { run: "get b/ --prefix --stream" },
  { run: "get a --rev=2" },
  { run: "get a --rev=1000000" },
  { run: "get a --consistency=s" },
  { run: "get a --hex" },
  { run: "get" },
  { run: "watch a --rev=2 --prev-kv", until: /2\n$|"value":"Mg==".*\n$|"Value" : "2"(.|\n)*\n$/ },
  { run: "txn", input: 'value("a") = "2"\n\nput a 3\nget a\ndel b/1\n\nget a\n\n' },
  { run: "txn", input: 'value("a") = "2"\n\nput a 4\n\nget a\nget b/ --prefix\n\n' },
  { run: "txn", input: 'version("b/2") > "1"\ncreate("b/2") > "1"\nmod("b/2") < "900"\n\nput a 5\n\n\n' },
  { run: "txn", input: "nonsense\n\n" },
  { run: "del a --prev-kv" },
  { run: "del none" },
  { run: "del b/2 --from-key --range" },
  { run: "del b/ --prefix --prev-kv" },
  { run: "compaction 3" },
  { run: "compaction 3" },
  { run: "compaction 1000000" },
  { run: "compaction 5 --physical" },
  { run: "get a --rev=2" },
  { run: "watch a --rev=2", until: /never/ },
];

const LEASES: readonly Step[] = [
  { run: "lease grant 600", keep: { name: "LEASE", from: /(?:lease |"id":|"ID" : )(\w+)/i } },
  { run: "lease grant 9000000001" },
  { run: "lease list" },
  { run: "lease timetolive 12345" },
  { run: "lease revoke 12345" },
  { run: "lease keep-alive --once 12345" },
  { run: "put leased 1 --lease=12345" },
];

/** The name that the simple output gives a lease is the one that commands take. */
const LEASED: readonly Step[] = [
  { run: "lease grant 600", keep: { name: "LEASE", from: /lease (\w+)/ } },
  { run: "put leased 1 --lease=$LEASE" },
  { run: "lease timetolive $LEASE" },
  { run: "lease timetolive $LEASE --keys" },
  { run: "lease keep-alive --once $LEASE" },
  { run: "lease keep-alive $LEASE", until: /keepalived/ },
  { run: "lease revoke $LEASE" },
  { run: "lease timetolive $LEASE" },
  { run: "get leased" },
];

const CONCURRENCY: readonly Step[] = [
  { run: "lock mutex echo held" },
  { run: "lock mutex", until: /\n/ },
  { run: "elect seat one", until: /one\n/ },
  { run: "elect seat --listen --lease=1", until: /never/ },
];

const MAINTENANCE: readonly Step[] = [
  { run: "endpoint status", differs: NUMBERS },
  { run: "endpoint health" },
  { run: "member list" },
  { run: "member add other --peer-urls=PEER" },
  { run: "member add other" },
  { run: "member remove 3039" },
  { run: "member update 3039 --peer-urls=http://10.0.0.1:2380" },
  { run: "member promote 3039" },
  { run: "move-leader 3039" },
  { run: "alarm list" },
  { run: "alarm disarm" },
  { run: "defrag" },
  { run: "downgrade validate 3" },
  { run: "downgrade validate 3.8" },
  { run: "downgrade enable 3.5.0" },
  { run: "downgrade cancel" },
  // Written as 3.6 has it, so that 3.5 starts from it as well.
  { run: "snapshot save FILE", differs: /(?<=Server version ).*/g },
  { run: "version" },
];

const MIRROR: readonly Step[] = [
  { run: "put source/a 1" },
  {
    run: "make-mirror URL --prefix=source/ --dest-prefix=copy/ DESTINATION",
    untilElsewhere: { run: "get copy/a", prints: /copy\/a\n1/ },
  },
  { run: "get copy/ --prefix" },
  { run: "del copy/ --prefix" },
  { run: "del source/ --prefix" },
];

const USERS: readonly Step[] = [
  { run: "auth status" },
  { run: "auth enable", input: "" },
  { run: "user add root:top" },
  { run: "user add amy:low" },
  { run: "user add amy:low" },
  { run: "user add bob --no-password" },
  { run: "user add eve --interactive=false", input: "secret\n" },
  { run: "user passwd eve --interactive=false", input: "other\n" },
  { run: "user list" },
  { run: "user get amy" },
  { run: "user get none" },
  { run: "role add reader" },
  { run: "role add reader" },
  { run: "role grant-permission reader read shown/ --prefix" },
  { run: "role grant-permission reader write one" },
  { run: "role grant-permission reader readwrite z --from-key" },
  { run: "role grant-permission none read a" },
  { run: "role get reader" },
  { run: "role get none" },
  { run: "role list" },
  { run: "user grant-role amy reader" },
  { run: "user grant-role amy none" },
  { run: "user get amy" },
  { run: "user get amy --detail" },
  { run: "user grant-role root root" },
  { run: "auth enable" },
  { run: "auth enable" },
  { run: "auth status" },
  { run: "get shown/a" },
  { run: "--user=amy:wrong get shown/a" },
  { run: "--user=none:top get shown/a" },
  { run: "--user=bob:top get shown/a" },
  { run: "--user=amy:low get shown/a" },
  { run: "--user=amy:low put shown/a 1" },
  { run: "--user=amy:low put one 1" },
  { run: "--user=amy:low get z --from-key" },
  { run: "--user=amy:low get y --from-key" },
  { run: "--user=amy:low user list" },
  { run: "--user=amy:low endpoint status", differs: NUMBERS },
  { run: "--user=amy:low lease grant 100" },
  { run: "--user=amy:low defrag" },
  { run: "--user=eve:other get one" },
  { run: "--user=root:top get one" },
  { run: "--user=root:top user delete root" },
  { run: "--user=root:top role revoke-permission reader one" },
  { run: "--user=root:top role revoke-permission reader one" },
  { run: "--user=root:top role revoke-permission reader z --from-key" },
  { run: "--user=root:top role get reader" },
  { run: "--user=root:top user revoke-role amy reader" },
  { run: "--user=root:top user revoke-role amy reader" },
  { run: "--user=root:top user revoke-role root root" },
  { run: "--user=root:top auth disable" },
  { run: "auth disable" },
  { run: "role delete reader" },
  { run: "role delete reader" },
  { run: "role delete root" },
  { run: "user delete amy" },
  { run: "user delete amy" },
  { run: "user delete bob" },
  { run: "user delete eve" },
  { run: "user delete root" },
  { run: "del one" },
];

/** Every command, in the form that people read. */
export const ALL: readonly Step[] = [
  ...KEYS,
  ...LEASES,
  ...LEASED,
  ...CONCURRENCY,
  ...MAINTENANCE,
  ...MIRROR,
  ...HASHES,
  ...USERS,
];

/** That, and each format of what has several. */
export const SCRIPT: readonly Step[] = [
  ...ALL,
  { run: "check datascale --load=s", differs: /.*p\/s|[\d.]+ MB/g },
  ...["json", "fields", "table"].flatMap((format) =>
    [...KEYS, ...LEASES, ...MAINTENANCE, ...HASHES, ...USERS].map((step) => ({
      ...step,
      run: `${step.run} --write-out=${format}`,
    })),
  ),
];
