/** For build-lock.test.ts: takes the lock on the file that it is given, says so, and holds it until it is killed. */
import { takeBuildLock } from "../../../bench/peers/build-lock.ts";

await takeBuildLock({ file: process.argv[2], isDone: () => false, onWait: () => {} });
process.stdout.write("held\n");
setInterval(() => {}, 1_000_000);
