/** A thread that touches memory (prepared-blocks.ts). */
import { parentPort } from "node:worker_threads";
import { touchPages } from "./touch-pages.ts";

parentPort?.on("message", touchPages);
