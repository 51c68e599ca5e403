/** All scenarios, by name. */
import type { Scenario } from "../stage.ts";
import { calm } from "./calm.ts";
import { cutRestartForce } from "./cut-restart-force.ts";
import { pausedWriter } from "./paused-writer.ts";
import { randomFaults } from "./random.ts";
import { rollingPower } from "./rolling-power.ts";

export const SCENARIOS: readonly Scenario[] = [randomFaults, cutRestartForce, pausedWriter, rollingPower, calm];
