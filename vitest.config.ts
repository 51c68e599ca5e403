import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    environment: "node",
    include: ["test/**/*.test.ts"],
    // A process per file: tests kill, lock and measure, and one file's crash must not take others along.
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 120_000,
    // What is waited for happens at once on a machine of its own, and takes its time on a busy one.
    expect: { poll: { timeout: 20_000 } },
    reporters: ["default", "./test/count-reporter.ts"],
  },
});
