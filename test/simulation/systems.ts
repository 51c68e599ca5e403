/** All systems that are simulated. */
import { journalSystem } from "./journal/journal-system.ts";
import { quorumSystem } from "./quorum/quorum-system.ts";
import { registerSystem } from "./register/register-system.ts";
import type { System } from "./stage.ts";

export const SYSTEMS: readonly System[] = [quorumSystem(), journalSystem(), registerSystem()];
