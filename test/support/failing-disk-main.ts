/**
 * The server on a disk that fails as files beside the data directory say: with the code that is their content, and not at
 * all while there are none. They are named after the data directory, with `.fault` behind for writes and `.open-fault` for
 * the opening of what is in the journal.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const flag = "--data-dir=";
const dataDir = process.argv.find((each) => each.startsWith(flag))?.slice(flag.length);
const { open, write } = fs;

function readFault(kind: string): string | null {
  const path = `${dataDir}.${kind}`;
  return fs.existsSync(path) ? fs.readFileSync(path, "utf8") : null;
}

function failingWrite(descriptor: number, ...rest: unknown[]): void {
  const code = descriptor > 2 ? readFault("fault") : null;
  if (code === null) return Reflect.apply(write, fs, [descriptor, ...rest]) as void;
  const onWritten = rest.at(-1) as (error: Error, count: number) => void;
  setImmediate(onWritten, Object.assign(new Error(`${code}: injected, write`), { code, syscall: "write" }), 0);
}

function failingOpen(path: fs.PathLike, ...rest: unknown[]): void {
  const code = String(path).startsWith(`${dataDir}/journal`) ? readFault("open-fault") : null;
  if (code === null) return Reflect.apply(open, fs, [path, ...rest]) as void;
  const onOpened = rest.at(-1) as (error: Error) => void;
  setImmediate(onOpened, Object.assign(new Error(`${code}: injected, open`), { code, syscall: "open" }));
}

Object.assign(fs, { open: failingOpen, write: failingWrite });
syncBuiltinESMExports();
await import("../../server/main.ts");
