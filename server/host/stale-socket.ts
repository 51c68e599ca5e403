/** Clears the way for a Unix socket whose owner died: the kernel leaves the file behind, and it blocks a new listener. */
import { lstat, rm } from "node:fs/promises";
import { connect } from "node:net";

/**
 * Removes the socket file at this path when nobody listens there. Anything else is left alone, for the attempt to listen
 * to report: a live socket, or a file that is not a socket.
 */
export async function removeStaleSocket(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => null); // Nothing there, or nothing we may see: nothing to remove.
  if (stats !== null && stats.isSocket() && !(await isAnswered(path))) {
    await rm(path, { force: true });
  }
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    // Only a refusal proves that the owner is gone.
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "ECONNREFUSED"));
  });
}
