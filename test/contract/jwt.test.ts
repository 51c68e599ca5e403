/** Users by JSON web tokens, with the keys of the operator's. */
import { createSigner } from "fast-jwt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { putRequest, rangeRequest } from "../../bench/client/requests.ts";
import { goMissingReason } from "../../bench/peers/build.ts";
import { authRoleAddRequest, authRoleAddResponse } from "../../proto/auth.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import { startPlinth } from "../support/plinth-process.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores, startEtcdStore, startPlinthStore } from "../support/stores.ts";
import type { Store } from "../support/stores.ts";
import { TokenKeyFolder } from "../support/token-keys.ts";
import { expectRefused } from "./answers.ts";
import {
  AMY,
  authenticate,
  CHEAP_PASSWORDS,
  connectAs,
  enableAuth,
  INVALID_TOKEN,
  makeUsers,
  ROOT,
  rpc,
} from "./users.ts";

const OLD_REVISION = [3, "etcdserver: revision of auth store is old"] as const;

const folder = new TokenKeyFolder();
const keys = folder.pair("ES256");
const SIGNS = [
  ...CHEAP_PASSWORDS,
  `--auth-token=jwt,sign-method=ES256,priv-key=${keys.privateKey},pub-key=${keys.publicKey},ttl=1h`,
];
const VERIFIES = [...CHEAP_PASSWORDS, `--auth-token=jwt,sign-method=ES256,pub-key=${keys.publicKey}`];

afterAll(() => folder.remove());

function signed(claims: object): string {
  return createSigner({ key: keys.privatePem, algorithm: "ES256", noTimestamp: true })(claims);
}

async function withToken<Result>(url: string, token: string, use: (client: EtcdClient) => Promise<Result>) {
  const client = await EtcdClient.connect(url, { metadata: [["authorization", `Bearer ${token}`]] });
  try {
    return await use(client);
  } finally {
    client.lean.destroy();
  }
}

/** The token is amy's. */
async function expectServed(url: string, token: string): Promise<void> {
  await withToken(url, token, async (amy) => {
    expect((await amy.put(putRequest("amy/1"))).header).not.toBeNull();
  });
}

const inAnHour = (): number => Math.floor(Date.now() / 1_000) + 3_600;

describeStores("JSON web tokens", (start) => {
  const shared = new SharedStore(start, SIGNS);

  beforeAll(async () => {
    await makeUsers(shared.client);
    await enableAuth(shared.client);
  });

  test("a token tells user, auth revision and when it ends", async () => {
    const token = await authenticate(shared.client, AMY);
    const claims = JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString()) as Record<string, unknown>;
    expect(claims).toEqual({ username: "amy", revision: 13, exp: expect.any(Number) });
    await withToken(shared.store.url, token, async (amy) => {
      await amy.put(putRequest("amy/1"));
      await expectRefused(amy.put(putRequest("other")), 7, "etcdserver: permission denied");
    });
  });

  test("tokens that are expired, foreign, altered or none are refused alike", async () => {
    const claims = { username: "root", revision: 13, exp: inAnHour() };
    const stranger = createSigner({ key: folder.pair("ES256").privatePem, algorithm: "ES256", noTimestamp: true });
    const [head, body, signature] = signed(claims).split(".");
    for (const token of [
      "x",
      "a.b.c",
      stranger(claims),
      signed({ ...claims, exp: 1 }),
      signed({ username: "root" }),
      signed({ revision: 13 }),
      `${head}.${body}.${signature.slice(0, -4)}`,
      `${head}.${body}.`,
    ]) {
      await withToken(shared.store.url, token, async (client) => {
        await expectRefused(client.range(rangeRequest("a")), ...INVALID_TOKEN);
        await expectRefused(client.put(putRequest("a")), ...INVALID_TOKEN);
      });
    }
    await withToken(shared.store.url, signed(claims), (root) => root.put(putRequest("a")));
  });

  test("a token ends with the auth revision that it tells, also when it tells one that is to come", async () => {
    const claims = { username: "root", exp: inAnHour() };
    const future = signed({ ...claims, revision: 99 });
    await withToken(shared.store.url, future, (client) =>
      expectRefused(client.range(rangeRequest("a")), ...OLD_REVISION),
    );
    const none = signed({ ...claims, revision: 0 });
    const nobody = [3, "etcdserver: user name is empty"] as const;
    await withToken(shared.store.url, none, (client) => expectRefused(client.range(rangeRequest("a")), ...nobody));
    const root = await connectAs(shared.store.url, ROOT);
    await root.put(putRequest("a"));
    await rpc(root, "RoleAdd", authRoleAddRequest, authRoleAddResponse, { name: "new" });
    await expectRefused(root.range(rangeRequest("a")), ...OLD_REVISION);
    await expectRefused(root.put(putRequest("a")), ...OLD_REVISION);
    // What only root may do asks for no revision.
    await rpc(root, "RoleAdd", authRoleAddRequest, authRoleAddResponse, { name: "newer" });
    root.lean.destroy();
  });

  test("a token is known after a restart", async () => {
    const token = await authenticate(shared.client, AMY);
    await shared.store.kill();
    await shared.store.restart();
    await shared.reconnect();
    await expectServed(shared.store.url, token);
  });
});

describeStores("JSON web tokens that are only verified", (start) => {
  const shared = new SharedStore(start, VERIFIES);

  test("nobody is given one, and one of the key's owner lets in", async () => {
    await makeUsers(shared.client);
    await enableAuth(shared.client);
    const verifyOnly = [2, "auth: token signing attempted with verify-only key"] as const;
    await expectRefused(authenticate(shared.client, AMY), ...verifyOnly);
    const wrong = authenticate(shared.client, { ...AMY, password: "wrong" });
    await expectRefused(wrong, 3, "etcdserver: authentication failed, invalid user ID or password");
    const token = signed({ username: "amy", revision: 13 });
    await expectServed(shared.store.url, token);
  });
});

describe.skipIf(goMissingReason() !== null)("JSON web tokens of etcd and of Plinth", () => {
  let stores: Store[];

  beforeAll(async () => {
    stores = await Promise.all([startPlinthStore(SIGNS), startEtcdStore(SIGNS)]);
    for (const { url } of stores) {
      const client = await EtcdClient.connect(url);
      await makeUsers(client);
      await enableAuth(client);
      client.lean.destroy();
    }
  });

  afterAll(() => Promise.all(stores.map((store) => store.remove())));

  test("that were given by one let in to the other", async () => {
    for (const [from, to] of [stores, stores.toReversed()]) {
      const client = await EtcdClient.connect(from.url);
      const token = await authenticate(client, AMY);
      client.lean.destroy();
      await expectServed(to.url, token);
    }
  });
});

describe("JSON web tokens (Plinth)", () => {
  test("a server whose keys are none does not start, and tells nothing of them", async () => {
    const secret = folder.file("-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n");
    const starting = startPlinth({ flags: [`--auth-token=jwt,sign-method=ES256,priv-key=${secret}`] });
    const failure = await starting.then(
      () => "it starts",
      (error: unknown) => String(error),
    );
    expect(failure).toContain("--auth-token: the private key is not PEM of a key that is not encrypted");
    expect(failure).not.toMatch(/secret\b(?!\.)/);
  });
});
