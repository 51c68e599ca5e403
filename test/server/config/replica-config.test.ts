import { describe, expect, test } from "vitest";
import { parseReplicaConfig } from "../../../server/config/replica-config.ts";
import type { ReplicaConfig } from "../../../server/config/replica-config.ts";

const NEEDED = ["--zone=a", "--data-dir=/d", "--listen=tcp://10.0.0.1:2390"];

function configOf(argv: readonly string[]): ReplicaConfig {
  const parsed = parseReplicaConfig(argv);
  if (parsed.kind !== "config") throw new Error(`no configuration but ${JSON.stringify(parsed)}`);
  return parsed.config;
}

function errorOf(argv: readonly string[]): string {
  const parsed = parseReplicaConfig(argv);
  if (parsed.kind !== "error") throw new Error(`no error but ${JSON.stringify(parsed)}`);
  return parsed.message;
}

describe("the command line of a replica", () => {
  test("says zone, directory and address, and the log as a server's", () => {
    expect(configOf([...NEEDED, "--log-level=debug"])).toEqual({
      zone: "a",
      dataDir: "/d",
      listen: { isSecure: false, host: "10.0.0.1", port: 2390 },
      tls: null,
      listenMetricsAddresses: [],
      logLevel: "debug",
      logFormat: "json",
      logOutputs: ["stderr"],
      logRotation: null,
    });
  });

  test.each(NEEDED)("without %s is refused by name", (flag) => {
    const name = flag.split("=", 1)[0].slice(1);
    const given = NEEDED.filter((each) => each !== flag);
    expect(errorOf(given)).toBe(`flag ${name} must be given; see plinth replica --help`);
  });

  test.each([
    ["--zone=A", 'invalid value "A" for flag -zone: a zone is 1 to 32 of a-z, 0-9 and -'],
    [
      "--listen=tls://h:1",
      'invalid value "tls://h:1" for flag -listen: tls:// needs --cert-file, --key-file, --trusted-ca-file',
    ],
    ["--cert-file=/c", 'invalid value "/c" for flag -cert-file: --key-file is missing beside it'],
    ["--listen-client-urls=http://h:1", "flag provided but not defined: -listen-client-urls"],
    [
      "--log-level=loud",
      'invalid value "loud" for flag -log-level: must be one of debug, info, warn, error, panic, fatal',
    ],
  ])("with %s is refused: %s", (flag, message) => {
    expect(errorOf([...NEEDED, flag])).toBe(message);
  });

  test("takes mutual TLS, and certificates with nothing else", () => {
    const files = ["--cert-file=/c", "--key-file=/k", "--trusted-ca-file=/ca"];
    const tls = { cert: "/c", key: "/k", ca: "/ca" };
    expect(configOf([...NEEDED, "--listen=tls://h:0", ...files])).toMatchObject({ tls, listen: { port: 0 } });
    expect(errorOf([...NEEDED, ...files])).toContain("certificates are of use with tls:// only");
  });

  test("asks for help, in which each flag stands", () => {
    const parsed = parseReplicaConfig(["--help"]);
    if (parsed.kind !== "help") throw new Error("no help");
    for (const flag of ["zone", "listen", "trusted-ca-file", "log-outputs"])
      expect(parsed.text).toContain(`--${flag} <`);
  });
});
