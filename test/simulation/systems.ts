/** All systems that are simulated. */
import { journalSystem } from "./journal/journal-system.ts";
import { registerSystem } from "./register/register-system.ts";
import type { System } from "./stage.ts";

export const SYSTEMS: readonly System[] = [journalSystem(), registerSystem()];
