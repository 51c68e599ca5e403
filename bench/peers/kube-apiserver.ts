// A real kube-apiserver on a store of the caller's, for tests: on a loopback port of its own, with a certificate that it
// makes itself, and with one token, for which everything is allowed. No controller runs beside it, so nothing makes
// service accounts: their admission check is off.

import { generateKeyPairSync, randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import type { OutgoingHttpHeaders } from "node:http";
import { Agent, request as httpsRequest, type RequestOptions } from "node:https";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { ensurePeer } from "./build.ts";
import { freePort, makePeerFolder, PeerProcess } from "./peer-process.ts";

/** Those that are built here. */
export type KubeVersion = "1.36" | "1.37";

export interface KubeApiserverOptions {
  readonly version: KubeVersion;
  /** As --etcd-servers takes it: URLs, separated by commas. */
  readonly etcdServers: string;
  /** More flags, as `--name=value`; the last of a name counts. */
  readonly flags?: readonly string[];
}

export interface KubeResponse {
  readonly status: number;
  readonly body: string;
}

export interface KubeRequestOptions {
  /** What the body is; JSON if not said. A patch needs one of the patch types. */
  readonly contentType?: string;
}

export interface KubeApiserver {
  readonly url: string;
  readonly port: number;
  readonly token: string;
  /** The certificates to believe it by. */
  readonly caFile: string;
  /** For kubectl, and for any other client. */
  readonly kubeconfig: string;
  readonly logFile: string;
  readonly pid: number;
  /** `body` is sent as it is when it is a string, and as JSON when it is anything else. */
  request(method: string, path: string, body?: unknown, options?: KubeRequestOptions): Promise<KubeResponse>;
  stop(): Promise<void>;
  kill(): Promise<void>;
}

const READY_MILLISECONDS_MAX = 120_000;
const READY_POLL_MILLISECONDS = 50;
const REQUEST_MILLISECONDS_MAX = 60_000;

// The address that it publishes as its own, in its lease in the store and in the endpoints of the service "kubernetes".
// Endpoints may not be loopback addresses, so it is one out of the range for documentation; nobody connects to it.
const ADVERTISE_ADDRESS = "192.0.2.1";

export async function startKubeApiserver(options: KubeApiserverOptions): Promise<KubeApiserver> {
  const binary = await ensurePeer(`kube-apiserver-${options.version}`);
  const port = await freePort();
  const url = `https://127.0.0.1:${port}`;
  const folder = makePeerFolder("kube-apiserver");
  const token = randomBytes(16).toString("hex");
  const tokenFile = join(folder, "tokens.csv");
  const keyFile = join(folder, "service-account.key");
  const caFile = join(folder, "apiserver.crt");
  const kubeconfig = join(folder, "kubeconfig.json");
  writeFileSync(tokenFile, `${token},admin,admin,"system:masters"\n`, { mode: 0o600 });
  writeFileSync(keyFile, makeSigningKey(), { mode: 0o600 });
  writeFileSync(kubeconfig, makeKubeconfig(url, caFile, token), { mode: 0o600 });
  const peer = new PeerProcess(
    "kube-apiserver",
    binary,
    [
      `--etcd-servers=${options.etcdServers}`,
      "--bind-address=127.0.0.1",
      `--secure-port=${port}`,
      `--advertise-address=${ADVERTISE_ADDRESS}`,
      `--cert-dir=${folder}`,
      "--authorization-mode=AlwaysAllow",
      `--token-auth-file=${tokenFile}`,
      "--disable-admission-plugins=ServiceAccount",
      "--service-account-issuer=https://kubernetes.default.svc",
      `--service-account-key-file=${keyFile}`,
      `--service-account-signing-key-file=${keyFile}`,
      "--service-cluster-ip-range=10.0.0.0/24",
      ...(options.flags ?? []),
    ],
    folder,
  );
  const agent = new Agent({ keepAlive: true });
  // It makes its certificate while it starts: until it is ready, the file may be missing or half written.
  let ca: Buffer | null = null;
  const send = async (
    method: string,
    path: string,
    body?: unknown,
    { contentType = "application/json" }: KubeRequestOptions = {},
  ): Promise<KubeResponse> => {
    const headers: OutgoingHttpHeaders = { authorization: `Bearer ${token}` };
    if (body !== undefined) headers["content-type"] = contentType;
    const signal = AbortSignal.timeout(REQUEST_MILLISECONDS_MAX);
    const content = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    return exchange(`${url}${path}`, { agent, ca: ca ?? readFileSync(caFile), headers, method, signal }, content);
  };
  const readiness = new AbortController();
  try {
    const ready = untilReady(() => send("GET", "/readyz"), readiness.signal);
    await peer.whileRunning(ready, "to say that it is ready", READY_MILLISECONDS_MAX);
    ca = readFileSync(caFile);
  } catch (error) {
    readiness.abort();
    agent.destroy();
    await peer.kill();
    throw error;
  }
  return {
    url,
    port,
    token,
    caFile,
    kubeconfig,
    logFile: peer.logFile,
    pid: peer.pid,
    request: send,
    stop: () => {
      agent.destroy();
      return peer.stop();
    },
    kill: () => {
      agent.destroy();
      return peer.kill();
    },
  };
}

/** Asks until the answer is yes, or until nobody waits for it any more. */
async function untilReady(ask: () => Promise<KubeResponse>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      if ((await ask()).status === 200) return;
    } catch {
      // No certificate or no listener yet; whether there ever will be is the caller's bound to say.
    }
    await delay(READY_POLL_MILLISECONDS);
  }
}

function exchange(url: string, options: RequestOptions, content: string | undefined): Promise<KubeResponse> {
  return new Promise((resolve, reject) => {
    // Node sends no length with a DELETE unless told, and the server would take the body for the next request.
    const length = content === undefined ? {} : { "content-length": Buffer.byteLength(content) };
    const headers = { ...(options.headers as OutgoingHttpHeaders), ...length };
    const request = httpsRequest(url, { ...options, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.once("error", reject);
      response.once("end", () => {
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8") });
      });
    });
    request.once("error", reject);
    request.end(content);
  });
}

function makeSigningKey(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return privateKey.export({ type: "sec1", format: "pem" }).toString();
}

/** In JSON, which is YAML too. */
function makeKubeconfig(server: string, caFile: string, token: string): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "plinth", cluster: { server, "certificate-authority": caFile } }],
    users: [{ name: "admin", user: { token } }],
    contexts: [{ name: "plinth", context: { cluster: "plinth", user: "admin" } }],
    "current-context": "plinth",
  });
}
