/**
 * The server on a disk whose writes fail as a file beside the data directory says: with the code that is its content, and
 * not at all while there is none. The file is named after the data directory, with `.fault` behind.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const flag = "--data-dir=";
const dataDir = process.argv.find((each) => each.startsWith(flag))?.slice(flag.length);
const write = fs.write;

function readFault(): string | null {
  const path = `${dataDir}.fault`;
  return fs.existsSync(path) ? fs.readFileSync(path, "utf8") : null;
}

function failingWrite(descriptor: number, ...rest: unknown[]): void {
  const code = descriptor > 2 ? readFault() : null;
  if (code === null) return Reflect.apply(write, fs, [descriptor, ...rest]) as void;
  const onWritten = rest.at(-1) as (error: Error, count: number) => void;
  setImmediate(onWritten, Object.assign(new Error(`${code}: injected, write`), { code, syscall: "write" }), 0);
}

Object.assign(fs, { write: failingWrite });
syncBuiltinESMExports();
await import("../../server/main.ts");
