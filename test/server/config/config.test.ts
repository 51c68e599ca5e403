import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { type Config, parseConfig } from "../../../server/config/config.ts";

type Parsed = Extract<ReturnType<typeof parseConfig>, { kind: "config" }>;

function parse(argv: readonly string[], env: Record<string, string | undefined> = {}): Parsed {
  const parsed = parseConfig(argv, env);
  expect(parsed).toMatchObject({ kind: "config" });
  return parsed as Parsed;
}

function configOf(argv: readonly string[], env: Record<string, string | undefined> = {}): Config {
  return parse(argv, env).config;
}

function errorOf(argv: readonly string[], env: Record<string, string | undefined> = {}): string {
  const parsed = parseConfig(argv, env);
  return parsed.kind === "error" ? parsed.message : `no error but ${parsed.kind}`;
}

test("the memory limit is a number of bytes that a server can live with, or none", () => {
  expect(configOf(["--memory-limit-bytes=268435456"]).memoryLimitBytes).toBe(268_435_456);
  expect(configOf([], { ETCD_MEMORY_LIMIT_BYTES: "1000000000" }).memoryLimitBytes).toBe(1_000_000_000);
  expect(configOf(["--memory-limit-bytes=0"]).memoryLimitBytes).toBeNull();
  expect(errorOf(["--memory-limit-bytes=268435455"])).toContain("must be at least 268435456");
  expect(errorOf(["--memory-limit-bytes=-1"])).toContain("value out of range");
  expect(errorOf(["--memory-limit-bytes=1GiB"])).toContain("parse error");
});

describe("defaults", () => {
  test("without flags the server is named default and serves the loopback address", () => {
    expect(parse([])).toEqual({
      kind: "config",
      noEffect: [],
      warnings: [],
      config: {
        name: "default",
        dataDir: "default.plinth",
        listenClientAddresses: [{ host: "127.0.0.1", port: 2379 }],
        advertiseClientUrls: ["http://localhost:2379"],
        advertisePeerUrls: ["http://localhost:2380"],
        listenClientHttpAddresses: [],
        listenMetricsAddresses: [],
        quotaBackendBytes: 2_147_483_648,
        memoryLimitBytes: null,
        partitionMap: null,
        historyRetentionMs: 0,
        backups: null,
        snapshotTail: { bytes: 134_217_728, records: 300_000 },
        maxTxnOps: 128,
        maxRequestBytes: 1_572_864,
        maxConcurrentStreams: 4_294_967_295,
        keepAlive: { minTimeMs: 5_000, intervalMs: 7_200_000, timeoutMs: 20_000 },
        journalReplicas: null,
        journalTls: null,
        clientTls: null,
        electionMs: 700,
        heartbeatMs: 100,
        forceIncompleteJournal: null,
        autoCompaction: { mode: "off" },
        takeOver: false,
        corruptCheckMs: 0,
        watchProgressNotifyIntervalMs: 5000,
        jwt: null,
        authTokenTtlMs: 300_000,
        bcryptCost: 10,
        warningApplyMs: 100,
        warningRequestMs: 300,
        logLevel: "info",
        logFormat: "json",
        logOutputs: ["stderr"],
        logRotation: null,
        isLogChosen: false,
        metrics: "basic",
        grpcGateway: true,
        pprof: false,
        cors: new Set(["*"]),
        hostWhitelist: new Set(["*"]),
      },
    });
  });

  test("a log file is rotated as etcd's options say", () => {
    const rotated = (...more: string[]): unknown =>
      configOf(["--enable-log-rotation", "--log-outputs=stderr,/var/log/etcd.log", ...more]).logRotation;
    const usual = { bytesMax: 104_857_600, ageMsMax: 0, backupsMax: 0, localTime: false, compress: false };
    expect(rotated()).toEqual(usual);
    expect(rotated("--log-rotation-config-json={}")).toEqual(usual);
    const json = '{"maxsize":1,"maxage":2,"maxbackups":3,"localtime":true,"compress":true}';
    expect(rotated(`--log-rotation-config-json=${json}`)).toEqual({
      bytesMax: 1_048_576,
      ageMsMax: 172_800_000,
      backupsMax: 3,
      localTime: true,
      compress: true,
    });
    expect(configOf([`--log-rotation-config-json=${json}`]).logRotation).toBe(null);
  });

  test.each([
    ["--log-outputs=stderr", "--log-outputs requires a single file path"],
    ["--log-outputs=a,b", "--log-outputs requires a single file path"],
    ["--log-rotation-config-json={", "improperly formatted log rotation config"],
    ["--log-rotation-config-json=[]", "must be an object"],
    ['--log-rotation-config-json={"maxsize":-1}', "maxsize must be a whole number"],
    ['--log-rotation-config-json={"compress":1}', "compress must be true or false"],
    ['--log-rotation-config-json={"maxSize":1}', 'there is no option "maxSize"'],
  ])("a log that cannot be rotated so is refused: %s", (flag, reason) => {
    expect(errorOf(["--enable-log-rotation", "--log-outputs=a", flag])).toContain(reason);
  });

  test("origins and host names are lists, and nothing is as good as all", () => {
    expect(configOf(["--cors=http://a:80, http://b:80", "--host-whitelist="])).toMatchObject({
      cors: new Set(["http://a:80", "http://b:80"]),
      hostWhitelist: new Set(["*"]),
    });
    expect(configOf(["--enable-grpc-gateway=false"]).grpcGateway).toBe(false);
  });

  test("the data directory is named after the server unless it is given", () => {
    expect(configOf(["--name", "infra0"]).dataDir).toBe("infra0.plinth");
    expect(configOf(["--name", "infra0", "--data-dir", "/var/lib/etcd"]).dataDir).toBe("/var/lib/etcd");
  });
});

describe("syntax of the command line", () => {
  test.each([
    { argv: ["--name=a"] },
    { argv: ["--name", "a"] },
    { argv: ["-name=a"] },
    { argv: ["-name", "a"] },
    { argv: ["--name=b", "--name=a"] },
    { argv: ["--name=a", "--"] },
  ])("$argv names the server a", ({ argv }) => {
    expect(configOf(argv).name).toBe("a");
  });

  test("a value may hold an equals sign or start with a dash", () => {
    expect(configOf(["--name=a=b"]).name).toBe("a=b");
    expect(configOf(["--quota-backend-bytes", "-1"]).quotaBackendBytes).toBeNull();
  });

  test("a boolean flag takes its value only after an equals sign", () => {
    expect(parse(["--pre-vote", "--name=a"]).noEffect).toEqual(["pre-vote"]);
    expect(parse(["--pre-vote=false", "--name=a"]).config.name).toBe("a");
    expect(errorOf(["--pre-vote", "false"])).toBe('"false" is not a valid flag');
    expect(errorOf(["--pre-vote=maybe"])).toBe('invalid boolean value "maybe" for -pre-vote: parse error');
  });

  test.each([
    { argv: ["--no-such-flag"], message: "flag provided but not defined: -no-such-flag" },
    { argv: ["-no-such-flag=1"], message: "flag provided but not defined: -no-such-flag" },
    { argv: ["--name"], message: "flag needs an argument: -name" },
    { argv: ["---name=a"], message: "bad flag syntax: ---name=a" },
    { argv: ["--=a"], message: "bad flag syntax: --=a" },
    { argv: ["serve"], message: '"serve" is not a valid flag' },
    { argv: ["--name=a", "--", "b"], message: '"b" is not a valid flag' },
    { argv: ["-"], message: '"-" is not a valid flag' },
  ])("$argv is refused: $message", ({ argv, message }) => {
    expect(errorOf(argv)).toBe(message);
  });

  test("whatever the arguments, parsing answers and never throws", () => {
    const argument = fc.oneof(
      fc.string(),
      fc.constantFrom("--name", "--metrics", "--listen-client-urls", "--pre-vote", "--", "-h"),
      fc.string().map((value) => `--listen-client-urls=${value}`),
      fc.string().map((value) => `--watch-progress-notify-interval=${value}`),
      fc.string().map((value) => `--max-txn-ops=${value}`),
      fc.string().map((value) => `--initial-cluster=${value}`),
    );
    fc.assert(
      fc.property(fc.array(argument, { maxLength: 6 }), (argv) => {
        expect(["config", "help", "version", "error"]).toContain(parseConfig(argv, {}).kind);
      }),
    );
  });
});

describe("environment", () => {
  test("a variable stands for its flag", () => {
    expect(configOf([], { ETCD_DATA_DIR: "/data", ETCD_MAX_TXN_OPS: "7" })).toMatchObject({
      dataDir: "/data",
      maxTxnOps: 7,
    });
  });

  test("a flag and its variable together are refused as etcd does, whichever has which value", () => {
    for (const name of ["a", "b"]) {
      expect(parseConfig(["--name=a"], { ETCD_NAME: name })).toEqual({
        kind: "error",
        message:
          'conflicting environment variable "ETCD_NAME" is shadowed by corresponding command-line flag ' +
          "(either unset environment variable or disable flag)",
      });
    }
  });

  test("a log level is read in either case", () => {
    expect(configOf(["--log-level=ERROR"]).logLevel).toBe("error");
    expect(configOf([], { ETCD_LOG_LEVEL: "Warn" }).logLevel).toBe("warn");
  });

  test("an empty variable counts as absent, and other variables are not read", () => {
    expect(configOf([], { ETCD_NAME: "", NAME: "b", PATH: "/bin" }).name).toBe("default");
  });

  test("an unknown variable of etcd's is named in a warning", () => {
    expect(parse([], { ETCD_SERVICE_HOST: "10.0.0.1", ETCD_UNSUPPORTED_ARCH: "amd64" }).warnings).toEqual([
      "unrecognized environment variable ETCD_SERVICE_HOST",
    ]);
  });

  test("a bad value is reported with the variable's name", () => {
    expect(errorOf([], { ETCD_MAX_TXN_OPS: "many" })).toBe('invalid value "many" for ETCD_MAX_TXN_OPS: parse error');
    expect(errorOf([], { ETCD_PRE_VOTE: "maybe" })).toBe(
      'invalid boolean value "maybe" for ETCD_PRE_VOTE: parse error',
    );
  });

  test("a variable can ask for what is refused just as a flag can", () => {
    expect(errorOf([], { ETCD_DISCOVERY_SRV: "a" })).toContain("ETCD_DISCOVERY_SRV: not supported yet");
  });
});

describe("addresses", () => {
  test("several URLs are separated by commas, and each is used once", () => {
    const config = configOf([
      "--listen-client-urls=http://10.0.0.1:2379,http://[::1]:80, unix:///run/plinth.sock,http://10.0.0.1:2379",
      "--listen-metrics-urls=http://localhost:2381",
    ]);
    expect(config.listenClientAddresses).toEqual([
      { host: "10.0.0.1", port: 2379 },
      { host: "::1", port: 80 },
      { path: "/run/plinth.sock" },
    ]);
    expect(config.listenMetricsAddresses).toEqual([{ host: "127.0.0.1", port: 2381 }]);
  });

  test.each([
    { url: "unix:///run/a.sock", path: "/run/a.sock" },
    { url: "unix://a.sock", path: "a.sock" },
    { url: "unix:/run/a.sock", path: "/run/a.sock" },
  ])("$url is the socket $path", ({ url, path }) => {
    expect(configOf([`--listen-client-urls=${url}`]).listenClientAddresses).toEqual([{ path }]);
  });

  test.each([
    { url: "http://10.0.0.1", reason: 'URL address does not have the form "host:port": http://10.0.0.1' },
    { url: "http://10.0.0.1:99999", reason: 'URL address does not have the form "host:port": http://10.0.0.1:99999' },
    { url: "http://::1:2379", reason: 'URL address does not have the form "host:port": http://::1:2379' },
    { url: "http://10.0.0.1:1/", reason: "URL must not contain a path: http://10.0.0.1:1/" },
    { url: "http://etcd.local:2379", reason: "expected IP in URL for binding (http://etcd.local:2379)" },
    { url: "ftp://10.0.0.1:1", reason: "URL scheme must be http, https, unix, or unixs: ftp://10.0.0.1:1" },
    { url: "10.0.0.1:1", reason: "URL scheme must be http, https, unix, or unixs: 10.0.0.1:1" },
    { url: "unix:", reason: "URL has no address: unix:" },
  ])("$url cannot be listened on: $reason", ({ url, reason }) => {
    expect(errorOf([`--listen-client-urls=${url}`])).toBe(
      `invalid value ${JSON.stringify(url)} for flag -listen-client-urls: ${reason}`,
    );
  });

  test("there must be a client address", () => {
    expect(errorOf(["--listen-client-urls="])).toBe('invalid value "" for flag -listen-client-urls: must not be empty');
  });

  test("advertised URLs may be https and name hosts, and follow the listening ones when not given", () => {
    expect(configOf(["--advertise-client-urls=https://db.example:443"]).advertiseClientUrls).toEqual([
      "https://db.example:443",
    ]);
    expect(configOf(["--listen-client-urls=http://10.0.0.1:1"]).advertiseClientUrls).toEqual(["http://10.0.0.1:1"]);
  });

  test("the journal's replicas are three or five, or one, each in a zone and a directory of its own", () => {
    const refused = (text: string, reason: string): void => {
      expect(errorOf([`--journal-replicas=${text}`])).toBe(
        `invalid value ${JSON.stringify(text)} for flag -journal-replicas: ${reason}`,
      );
    };
    expect(configOf([]).journalReplicas).toBeNull();
    expect(configOf(["--journal-replicas=a=/x,b=/y,zone-3=z"]).journalReplicas).toEqual([
      { zone: "a", directory: "/x" },
      { zone: "b", directory: "/y" },
      { zone: "zone-3", directory: "z" },
    ]);
    expect(configOf(["--journal-replicas=a=/x"]).journalReplicas).toEqual([{ zone: "a", directory: "/x" }]);
    refused("a=/x,b=/y", "there must be 1, 3 or 5 replicas, and 2 are given");
    refused("a=tcp://h:1", "a replica that is the only one is in a directory");
    refused("a=/x,b=/y,c=/z,d=/w", "there must be 1, 3 or 5 replicas, and 4 are given");
    refused("a=/x,b=/y,a=/z", "zone a is given twice");
    refused("a=/x,b=/y,c=/y/../x/", "zones a and c are in one directory");
    refused("a=/x,b=/y,/z", '"/z" is not of the form zone=DIRECTORY or zone=tcp://host:port');
    refused("a=/x,b=/y,C=/z", '"C=/z" is not of the form zone=DIRECTORY or zone=tcp://host:port');
  });

  test("replicas may be in other processes, and none may be at the place of another however that is written", () => {
    const refused = (text: string, reason: string, ...flags: string[]): void => {
      expect(errorOf([`--journal-replicas=${text}`, ...flags])).toBe(
        `invalid value ${JSON.stringify(text)} for flag -journal-replicas: ${reason}`,
      );
    };
    const tls = ["--journal-cert-file=/c", "--journal-key-file=/k", "--journal-trusted-ca-file=/ca"];
    expect(configOf(["--journal-replicas=a=tcp://h:1,b=tls://[::1]:2,c=/z", ...tls])).toMatchObject({
      journalReplicas: [
        { zone: "a", address: { isSecure: false, host: "h", port: 1 } },
        { zone: "b", address: { isSecure: true, host: "::1", port: 2 } },
        { zone: "c", directory: "/z" },
      ],
      journalTls: { cert: "/c", key: "/k", ca: "/ca" },
    });
    refused("a=tcp://h:1,b=tcp://H:1,c=/z", "zones a and b are at one address");
    refused("a=tcp://h:1,b=tls://h:1,c=/z", "zones a and b are at one address", ...tls);
    refused("a=tcp://localhost:1,b=tcp://127.0.0.1:1,c=/z", "zones a and b are at one address");
    refused("a=tcp://h:1,b=tcp://g:1", "there must be 1, 3 or 5 replicas, and 2 are given");
    refused(
      "a=tcp://h:1,b=http://g:1,c=/z",
      'zone b: "http://g:1" has the scheme "http": a replica is reached over tcp:// or tls://',
    );
    refused(
      "a=tls://h:1,b=/y,c=/z",
      "zone a: tls:// needs --journal-cert-file, --journal-key-file, --journal-trusted-ca-file",
    );
    expect(errorOf(["--journal-cert-file=/c"])).toBe(
      'invalid value "/c" for flag -journal-cert-file: --journal-key-file is missing beside it',
    );
  });

  test("a standby waits for as long as it is told, which is five heartbeats at least", () => {
    const configured = configOf(["--heartbeat-interval=200", "--election-timeout=3000"]);
    expect([configured.heartbeatMs, configured.electionMs]).toEqual([200, 3000]);
    expect(errorOf(["--election-timeout=400"])).toBe(
      'invalid value "400" for flag -election-timeout: must be at least 5 times --heartbeat-interval, which is 100',
    );
    expect(errorOf(["--election-timeout=50001"])).toContain("must be at most 50000");
  });

  test("the journal is taken over at once when that is asked for", () => {
    expect([configOf([]).takeOver, configOf(["--take-over"]).takeOver]).toEqual([false, true]);
  });

  test("a cluster is named in hex, as etcdctl shows it", () => {
    expect(configOf(["--force-incomplete-journal=39a638f69c0276d7"]).forceIncompleteJournal).toBe(0x39a638f69c0276d7n);
    expect(errorOf(["--force-incomplete-journal=yes"])).toBe(
      'invalid value "yes" for flag -force-incomplete-journal: must be a cluster id in hex',
    );
  });

  test("a cost of passwords that there is not is the default, with a warning, as in etcd", () => {
    expect([4, 31].map((cost) => configOf([`--bcrypt-cost=${cost}`]).bcryptCost)).toEqual([4, 31]);
    for (const cost of [0, 3, 32]) {
      const { config, warnings } = parse([`--bcrypt-cost=${cost}`]);
      expect([config.bcryptCost, warnings]).toEqual([
        10,
        [`--bcrypt-cost=${cost}: the default of 10 is used, as it can be 4 to 31`],
      ]);
    }
    expect(errorOf(["--bcrypt-cost=x"])).toBe('invalid value "x" for flag -bcrypt-cost: parse error');
    expect(errorOf(["--bcrypt-cost=-1"])).toBe('invalid value "-1" for flag -bcrypt-cost: value out of range');
  });

  test("requests beyond what etcd recommends are worth a warning", () => {
    expect(parse(["--max-request-bytes=10485760"]).warnings).toEqual([]);
    expect(parse(["--max-request-bytes=67108864"]).warnings).toEqual([
      "--max-request-bytes=67108864: more than 10485760 is not recommended",
    ]);
  });

  test("advertising a wildcard address is worth a warning", () => {
    expect(parse(["--listen-client-urls=http://0.0.0.0:2379"]).warnings).toEqual([
      "advertised client URL http://0.0.0.0:2379 cannot be reached from elsewhere; set --advertise-client-urls",
    ]);
  });
});

describe("values", () => {
  test.each([
    { text: "0", bytes: 2_147_483_648 },
    { text: "-1", bytes: null },
    { text: "8589934592", bytes: 8_589_934_592 },
  ])("a quota of $text is $bytes", ({ text, bytes }) => {
    expect(configOf([`--quota-backend-bytes=${text}`]).quotaBackendBytes).toBe(bytes);
  });

  test.each([
    { flag: "max-txn-ops", text: "-1", reason: "value out of range" },
    { flag: "max-txn-ops", text: "1e3", reason: "parse error" },
    { flag: "max-txn-ops", text: "", reason: "parse error" },
    { flag: "max-request-bytes", text: "9007199254740993", reason: "value out of range" },
    { flag: "max-request-bytes", text: "67108865", reason: "must be at most 67108864" },
    { flag: "quota-backend-bytes", text: "8GiB", reason: "parse error" },
    { flag: "metrics", text: "all", reason: "must be one of basic, extensive" },
    { flag: "log-format", text: "text", reason: "must be one of json, console" },
    { flag: "log-level", text: "trace", reason: "must be one of debug, info, warn, error, panic, fatal" },
    { flag: "log-outputs", text: "", reason: "must not be empty" },
    { flag: "log-outputs", text: "stderr,", reason: "an output must not be empty" },
    { flag: "data-dir", text: "", reason: "must not be empty" },
    { flag: "watch-progress-notify-interval", text: "5", reason: "parse error" },
    { flag: "watch-progress-notify-interval", text: "-5s", reason: "value out of range" },
    { flag: "watch-progress-notify-interval", text: "600h", reason: "must be at most 500h" },
    { flag: "watch-progress-notify-interval", text: "500h1ms", reason: "must be at most 500h" },
    { flag: "auto-compaction-mode", text: "size", reason: "must be one of periodic, revision" },
    { flag: "auto-compaction-retention", text: "-1", reason: "value out of range" },
  ])("--$flag=$text is refused: $reason", ({ flag, text, reason }) => {
    expect(errorOf([`--${flag}=${text}`])).toBe(`invalid value ${JSON.stringify(text)} for flag -${flag}: ${reason}`);
  });

  test.each([
    { text: "5s", ms: 5000 },
    { text: "1m30s", ms: 90_000 },
    { text: "1.5h", ms: 5_400_000 },
    { text: "+250ms", ms: 250 },
    { text: "300000us", ms: 300 },
    { text: "300000\u00b5s", ms: 300 },
    { text: ".5s", ms: 500 },
    { text: "1ms", ms: 100 },
    { text: "500h", ms: 1_800_000_000 },
    { text: "0", ms: 5000 },
  ])("a progress interval of $text is $ms ms", ({ text, ms }) => {
    expect(configOf([`--watch-progress-notify-interval=${text}`]).watchProgressNotifyIntervalMs).toBeCloseTo(ms, 6);
  });

  test("the progress interval is known by its older name", () => {
    expect(configOf(["--experimental-watch-progress-notify-interval=7s"]).watchProgressNotifyIntervalMs).toBe(7000);
    expect(configOf([], { ETCD_EXPERIMENTAL_WATCH_PROGRESS_NOTIFY_INTERVAL: "7s" }).watchProgressNotifyIntervalMs).toBe(
      7000,
    );
  });

  test("how long an apply may take without a warning is a duration, also in older manifests", () => {
    expect(configOf(["--warning-apply-duration=1.5s"]).warningApplyMs).toBe(1500);
    expect(configOf(["--experimental-warning-apply-duration=50ms"]).warningApplyMs).toBe(50);
    expect(configOf(["--warning-unary-request-duration=2s"]).warningRequestMs).toBe(2_000);
    expect(configOf(["--experimental-warning-unary-request-duration=50ms"]).warningRequestMs).toBe(50);
    expect(parse(["--warning-apply-duration=1s"]).noEffect).toEqual([]);
  });

  test.each([
    { argv: ["--auto-compaction-retention=1"], expected: { mode: "periodic", retentionMs: 3_600_000 } },
    { argv: ["--auto-compaction-retention=30m"], expected: { mode: "periodic", retentionMs: 1_800_000 } },
    { argv: ["--auto-compaction-retention=0"], expected: { mode: "off" } },
    { argv: ["--auto-compaction-retention=0s"], expected: { mode: "off" } },
    {
      argv: ["--auto-compaction-mode=revision", "--auto-compaction-retention=1000"],
      expected: { mode: "revision", retentionRevisions: 1000 },
    },
    { argv: ["--auto-compaction-mode=revision"], expected: { mode: "off" } },
  ])("$argv means $expected.mode", ({ argv, expected }) => {
    expect(configOf(argv).autoCompaction).toEqual(expected);
  });

  test("a duration makes no sense as a number of revisions", () => {
    expect(errorOf(["--auto-compaction-mode=revision", "--auto-compaction-retention=1h"])).toBe(
      'invalid value "1h" for flag -auto-compaction-retention: parse error',
    );
  });

  test("log outputs are standard streams and files, each once", () => {
    expect(configOf(["--log-outputs=default,stderr,stdout,/var/log/plinth.log"]).logOutputs).toEqual([
      "stderr",
      "stdout",
      "/var/log/plinth.log",
    ]);
    expect(errorOf(["--log-outputs=systemd/journal"])).toContain("not supported yet");
  });
});

describe("flags of etcd that do something else here", () => {
  test("flags without effect are accepted and named", () => {
    const parsed = parse(["--snapshot-count=100", "--pre-vote", "--name=a"], { ETCD_MAX_WALS: "5" });
    expect(parsed.noEffect).toEqual(["max-wals", "pre-vote", "snapshot-count"]);
  });

  test("the flags of a kubeadm manifest without TLS are all known", () => {
    const parsed = parse([
      "--advertise-client-urls=http://10.0.0.1:2379",
      "--data-dir=/var/lib/etcd",
      "--feature-gates=InitialCorruptCheck=true",
      "--initial-advertise-peer-urls=https://10.0.0.1:2380",
      "--initial-cluster=node1=https://10.0.0.1:2380",
      "--listen-client-urls=http://127.0.0.1:2379,http://10.0.0.1:2379",
      "--listen-metrics-urls=http://127.0.0.1:2381",
      "--listen-peer-urls=https://10.0.0.1:2380",
      "--name=node1",
      "--peer-cert-file=/etc/kubernetes/pki/etcd/peer.crt",
      "--peer-client-cert-auth=true",
      "--peer-key-file=/etc/kubernetes/pki/etcd/peer.key",
      "--peer-trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt",
      "--snapshot-count=10000",
      "--watch-progress-notify-interval=5s",
    ]);
    expect(parsed.noEffect).toEqual([
      "feature-gates",
      "listen-peer-urls",
      "peer-cert-file",
      "peer-client-cert-auth",
      "peer-key-file",
      "peer-trusted-ca-file",
      "snapshot-count",
    ]);
    expect(parsed.config.advertisePeerUrls).toEqual(["https://10.0.0.1:2380"]);
  });

  test.each(["--initial-cluster=a=http://10.0.0.1:2380,b=http://10.0.0.2:2380", "--discovery-srv=example.com"])(
    "%s is refused rather than ignored",
    (argument) => {
      const [flag] = argument.slice(2).split("=", 1);
      expect(errorOf([argument])).toMatch(new RegExp(`^invalid value ".+" for flag -${flag}: not supported yet: .+`));
    },
  );

  test.each([
    "--client-cert-auth=false",
    "--cert-file=",
    "--auth-token=simple",
    "--initial-cluster=a=http://10.0.0.1:2380,a=http://10.0.0.2:2380",
  ])("%s asks for nothing that is missing", (argument) => {
    expect(parse([argument])).toMatchObject({ noEffect: [], warnings: [] });
  });
});

describe("help and version", () => {
  test.each(["--help", "-help", "-h"])("%s shows every flag with an effect, and its default", (argument) => {
    const parsed = parseConfig(["--name=a", argument], {});
    expect(parsed.kind).toBe("help");
    const text = "text" in parsed ? parsed.text : "";
    expect(text).toContain("  --listen-client-urls <urls>  (default http://localhost:2379)\n");
    expect(text).toContain("  --max-txn-ops <count>  (default 128)\n");
    expect(text).toContain("--client-cert-auth");
    expect(text.endsWith("\n")).toBe(true);
    expect(text.split("\n").every((line) => line.length <= 120)).toBe(true);
  });

  test("the version names etcd's release first, as scripts expect", () => {
    const parsed = parseConfig(["--version"], {});
    expect(parsed.kind).toBe("version");
    expect("text" in parsed ? parsed.text : "").toMatch(
      /^etcd Version: 3\.7\.\d+\nPlinth Version: \d+\.\d+\.\d+\nNode Version: v24\.\S+\nOS\/Arch: \w+\/\w+\n$/,
    );
  });

  test("an error before the question for help is reported first", () => {
    expect(errorOf(["--no-such-flag", "--help"])).toBe("flag provided but not defined: -no-such-flag");
  });
});

describe("keepalive", () => {
  const keepAlive = (...flags: string[]): unknown =>
    configOf(flags.map((flag) => `--grpc-keepalive-${flag}`)).keepAlive;

  test("is as it is given, and an interval is one second at least", () => {
    expect(keepAlive("min-time=1m", "interval=10s", "timeout=500ms")).toEqual({
      minTimeMs: 60_000,
      intervalMs: 10_000,
      timeoutMs: 500,
    });
    expect(keepAlive("interval=1ms")).toMatchObject({ intervalMs: 1_000, timeoutMs: 20_000 });
  });

  test("zeros mean what Go's gRPC library does unasked", () => {
    const unasked = { intervalMs: 7_200_000, timeoutMs: 20_000 };
    expect(keepAlive("min-time=0")).toEqual({ minTimeMs: 300_000, ...unasked });
    expect(keepAlive("interval=0", "timeout=3s")).toMatchObject(unasked);
    expect(keepAlive("interval=3s", "timeout=0")).toMatchObject(unasked);
  });
});

test("no stream at all is no limit of streams", () => {
  expect(configOf(["--max-concurrent-streams=0"]).maxConcurrentStreams).toBe(4_294_967_295);
  expect(configOf(["--max-concurrent-streams=7"]).maxConcurrentStreams).toBe(7);
  expect(errorOf(["--max-concurrent-streams=4294967296"])).toContain("must be at most 4294967295");
});

describe("TLS", () => {
  const pair = ["--cert-file=/c", "--key-file=/k"];
  const https = "--listen-client-urls=https://127.0.0.1:1";

  test("is what the flags say", () => {
    const { clientTls, listenClientAddresses } = configOf([
      "--listen-client-urls=https://127.0.0.1:1,http://127.0.0.1:1,unixs:///s,http://127.0.0.1:2",
      ...pair,
      "--trusted-ca-file=/ca",
      "--client-crl-file=/crl",
      "--client-cert-allowed-hostname=a,b",
      "--tls-max-version=TLS1.2",
      "--cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
    ]);
    expect(listenClientAddresses).toEqual([
      { host: "127.0.0.1", port: 1, security: "either" },
      { path: "/s", security: "tls" },
      { host: "127.0.0.1", port: 2 },
    ]);
    expect(clientTls).toEqual({
      certificate: { cert: "/c", key: "/k" },
      selfSignedYears: 1,
      trustedCa: "/ca",
      revocations: "/crl",
      asksClients: true,
      namesUsers: false,
      allowedNames: [],
      allowedHosts: ["a", "b"],
      minVersion: "TLSv1.2",
      maxVersion: "TLSv1.2",
      ciphers:
        "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:" +
        "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256",
    });
  });

  test.each([
    [
      [https],
      "TLS key/cert (--cert-file, --key-file) must be provided for client url https://127.0.0.1:1 with HTTPS scheme",
    ],
    [[https, "--cert-file=/c"], "KeyFile and CertFile must both be present[key: , cert: /c]"],
    [
      ["--listen-metrics-urls=https://127.0.0.1:2"],
      "client TLS key/cert (--cert-file, --key-file) must be provided for metrics secure url",
    ],
    [["--tls-min-version=TLS1.1"], 'unexpected TLS version "TLS1.1" (must be one of: TLS1.2, TLS1.3)'],
    [
      ["--tls-min-version=TLS1.3", "--tls-max-version=TLS1.2"],
      "min version (TLS1.3) is greater than max version (TLS1.2)",
    ],
    [
      ["--tls-min-version=TLS1.3", "--cipher-suites=TLS_RSA_WITH_AES_128_GCM_SHA256"],
      "cipher suites cannot be configured when only TLS1.3 is enabled",
    ],
    [["--cipher-suites=AES"], 'unexpected TLS cipher suite "AES"'],
    [["--auto-tls", "--self-signed-cert-validity=0"], "selfSignedCertValidity is invalid,it should be greater than 0"],
    [["--auto-tls", "--client-cert-auth"], "--client-cert-auth needs --cert-file and --key-file"],
    [[...pair, "--client-crl-file=/crl"], "--client-crl-file needs --client-cert-auth or --trusted-ca-file"],
    [
      [...pair, "--client-cert-auth", "--client-cert-allowed-cn=a,b", "--client-cert-allowed-hostname=c"],
      'AllowedCNs and AllowedHostnames are mutually exclusive (cns=["a" "b"], hostnames=["c"])',
    ],
  ])("%j is refused, in etcd's words where it refuses it", (argv, reason) => {
    expect(errorOf(argv)).toContain(reason);
  });

  test("certificates of which nothing comes are told", () => {
    expect(parse(["--listen-client-urls=http://127.0.0.1:1", ...pair, "--auto-tls"]).warnings).toEqual([
      "ignoring client auto TLS since certs given",
      "scheme is http or unix while key and cert files are present; ignoring key and cert files for http://127.0.0.1:1",
    ]);
  });
});
