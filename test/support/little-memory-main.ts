/** The server on a system that gives it so many blocks of memory as a variable says, and no more. */
const BLOCK_BYTES_MIN = 1024 * 1024;
const System = SharedArrayBuffer;
let left = Number(process.env["LITTLE_MEMORY_BLOCKS"]);

globalThis.SharedArrayBuffer = class extends System {
  constructor(bytes = 0, options?: { maxByteLength?: number }) {
    if (bytes >= BLOCK_BYTES_MIN && left-- <= 0) throw new RangeError("Array buffer allocation failed");
    super(bytes, options);
  }
};
await import("../../server/main.ts");
