/** The one call of the transport bench, the same for every server: a Range that finds one small object. */

export const RANGE_PATH = "/etcdserverpb.KV/Range";
export const REQUEST = Buffer.alloc(35, 0x61);
export const REPLY = Buffer.alloc(372, 0x62);

/** Tells the bench the port. It stops the server with SIGTERM. */
export function announce(port: number): void {
  process.stdout.write(`listening ${port}\n`);
}
