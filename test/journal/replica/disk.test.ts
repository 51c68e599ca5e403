import { mkdtemp, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { nodeDisk } from "../../../journal/replica/disk.ts";

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "journal-disk-"));
  onTestFinished(() => rm(root, { recursive: true }));
});

/** The directories that are synced from now on, relative to the test's own. */
function recordSyncs(): string[] {
  const syncs: string[] = [];
  const sync = nodeDisk.syncDirectory.bind(nodeDisk);
  const spy = vi.spyOn(nodeDisk, "syncDirectory").mockImplementation((path) => {
    syncs.push(relative(root, path));
    return sync(path);
  });
  onTestFinished(() => spy.mockRestore());
  return syncs;
}

function failSyncs(code: string): void {
  const spy = vi.spyOn(nodeDisk, "syncDirectory").mockRejectedValue(Object.assign(new Error(code), { code }));
  onTestFinished(() => spy.mockRestore());
}

describe("making a directory", () => {
  test("each level is made for its owner alone, and its name is durable before the next is made", async () => {
    const syncs = recordSyncs();
    await nodeDisk.makeDirectory(join(root, "a", "b", "c"));
    expect(syncs).toEqual(["..", "", "a", "a/b"]);
    expect((await stat(join(root, "a", "b", "c"))).mode & 0o777).toBe(0o700);
  });

  test("the name of one that is found is made durable too, for who made it may have been killed before", async () => {
    await nodeDisk.makeDirectory(join(root, "a", "b"));
    const syncs = recordSyncs();
    await nodeDisk.makeDirectory(join(root, "a", "b"));
    expect(syncs).toEqual(["a"]);
    await nodeDisk.makeDirectory(join(root, "a", "b", "c", "d"));
    expect(syncs).toEqual(["a", "a", "a/b", "a/b/c"]);
  });

  test("many at once make it once", async () => {
    await Promise.all(Array.from({ length: 8 }, () => nodeDisk.makeDirectory(join(root, "a", "b", "c"))));
    expect((await stat(join(root, "a", "b", "c"))).isDirectory()).toBe(true);
  });

  test("what cannot be made is an error", async () => {
    await writeFile(join(root, "file"), "");
    await symlink(join(root, "nowhere"), join(root, "dangling"));
    await expect(nodeDisk.makeDirectory(join(root, "file", "a"))).rejects.toMatchObject({ code: "ENOTDIR" });
    await expect(nodeDisk.makeDirectory(join(root, "dangling", "a"))).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("one that lies in somebody else's directory is used when it is found, and not when it was made", async () => {
    failSyncs("EACCES");
    await expect(nodeDisk.makeDirectory(join(root, "a"))).rejects.toMatchObject({ code: "EACCES" });
    await nodeDisk.makeDirectory(join(root, "a"));
  });

  test("a disk that fails to sync is an error either way", async () => {
    failSyncs("EIO");
    await expect(nodeDisk.makeDirectory(join(root, "a"))).rejects.toMatchObject({ code: "EIO" });
    await expect(nodeDisk.makeDirectory(join(root, "a"))).rejects.toMatchObject({ code: "EIO" });
  });
});
