/** `/debug/…` on the client port. */
import { expect, onTestFinished, test, vi } from "vitest";
import { HttpClient } from "../support/http-client.ts";
import { describeStores } from "../support/stores.ts";
import type { Store } from "../support/stores.ts";

const LONG_ENOUGH = { timeout: 20_000 };

describeStores("debug", (start, name) => {
  async function started(flags: readonly string[]): Promise<{ store: Store; http: HttpClient }> {
    const store = await start(flags);
    const http = new HttpClient(store.url);
    onTestFinished(async () => {
      http.close();
      await store.remove();
    });
    return { store, http };
  }

  test("§9.4: the variables are those of etcd, and profiles are not there unless they are asked for", async () => {
    const { http } = await started(["--discovery-password=hidden"].slice(name === "plinth" ? 0 : 1));
    const { status, headers, body } = await http.call({ method: "GET", path: "/debug/vars?x=y" });
    expect([status, headers["content-type"]]).toEqual([200, "application/json; charset=utf-8"]);
    const vars = JSON.parse(body) as Record<string, Record<string, unknown>>;
    expect(Object.keys(vars)).toEqual(["cmdline", "file_descriptor_limit", "memstats", "raft.status"]);
    const { id, commit, applied, ...raft } = vars["raft.status"];
    expect(id).toMatch(/^[0-9a-f]+$/);
    expect(applied).toBe(commit);
    expect(raft).toEqual({
      term: expect.any(Number) as unknown,
      vote: id,
      lead: id,
      raftState: "StateLeader",
      progress: { [String(id)]: expect.objectContaining({ state: "StateReplicate" }) as unknown },
      leadtransferee: "0",
    });
    expect(vars["memstats"]).toMatchObject({
      Alloc: expect.any(Number) as unknown,
      Sys: expect.any(Number) as unknown,
    });
    expect(body).not.toContain("hidden");
    expect(await http.call({ path: "/debug/vars" })).toMatchObject({ status: 405, headers: { allow: "GET" } });
    for (const path of ["/debug/pprof/", "/debug/pprof/profile?seconds=1", "/debug/nothing"]) {
      expect(await http.call({ method: "GET", path })).toMatchObject({ status: 404, body: "404 page not found\n" });
    }
  });

  test("§9.4: --enable-pprof gives profiles of the process, one of a kind at a time", async () => {
    const { store, http } = await started(["--enable-pprof"]);
    const profile = { method: "GET", path: "/debug/pprof/profile?seconds=1" };
    const other = new HttpClient(store.url);
    // Whichever comes first, this one is made at some time.
    const untilGone = async (): Promise<void> => {
      const long = { method: "GET", path: "/debug/pprof/profile?seconds=100" };
      while ((await other.call(long).catch(() => null)) !== null);
    };
    const gone = untilGone();
    const refused = await vi.waitUntil(async () => {
      const answer = await http.call(profile);
      return answer.status === 500 && answer;
    }, LONG_ENOUGH);
    expect(refused.body).toContain("Could not enable");
    // Who goes makes room for others.
    other.close();
    await gone;
    await vi.waitUntil(async () => (await http.call(profile)).status === 200, LONG_ENOUGH);
    for (const path of ["/debug/pprof/heap?seconds=1", "/debug/pprof/cmdline", "/debug/pprof/"]) {
      expect((await http.call({ method: "GET", path })).status).toBe(200);
    }
    expect((await http.call({ method: "GET", path: "/debug/pprof/nothing" })).status).toBe(404);
    const { headers } = await http.call(profile);
    const file = name === "plinth" ? "profile.cpuprofile" : "profile";
    expect(headers["content-disposition"]).toBe(`attachment; filename="${file}"`);
  });
});
