import { expect, test } from "vitest";
import { StartScreen } from "../../../server/host/start-screen.ts";

function screenOf(run: (screen: StartScreen) => void): string {
  let text = "";
  run(new StartScreen({ write: (part) => (text += part) }));
  return text.replaceAll("\u001b[K", "");
}

test("a person sees where the server listens, where the data is, and what to type next", () => {
  const text = screenOf((screen) => {
    screen.begin("1.2.3", "3.7.3");
    screen.ready(["http://127.0.0.1:2379", "unix:///run/plinth.sock"], "/var/lib/plinth");
    screen.stopping();
    screen.stopped();
  });
  expect(text).toBe(`Plinth 1.2.3, with the API of etcd 3.7.3

  Address    http://127.0.0.1:2379
             unix:///run/plinth.sock
  Data       /var/lib/plinth
  Try        etcdctl put greeting hello

Ready. Ctrl+C stops it.

Stopping
Stopped
`);
});

test.each([
  ["http://localhost:2379", "etcdctl put greeting hello"],
  ["http://0.0.0.0:2379", "etcdctl put greeting hello"],
  ["http://[::]:4000", "etcdctl --endpoints=http://127.0.0.1:4000 put greeting hello"],
  ["http://127.0.0.1:23790", "etcdctl --endpoints=http://127.0.0.1:23790 put greeting hello"],
  ["unix:///run/plinth.sock", "etcdctl --endpoints=unix:///run/plinth.sock put greeting hello"],
])("the command to type reaches a server on %s", (url, command) => {
  expect(screenOf((screen) => screen.ready([url], "/data"))).toContain(`Try        ${command}\n`);
});

test("a long start is a bar that is drawn over", () => {
  const text = screenOf((screen) => {
    screen.progress(0, "opening the journal");
    screen.progress(0.5, "replaying 50 %, about 3 s left");
  });
  const lines = text.split("\r");
  expect(lines).toEqual([
    `  [${"-".repeat(30)}] opening the journal`,
    `  [${"#".repeat(15)}${"-".repeat(15)}] replaying 50 %, about 3 s left`,
    "",
  ]);
});
