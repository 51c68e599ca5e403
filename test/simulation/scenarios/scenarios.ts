/** All scenarios, by name. */
import type { Scenario } from "../stage.ts";
import { calm } from "./calm.ts";
import { cutRestartForce } from "./cut-restart-force.ts";
import { pausedWriter } from "./paused-writer.ts";
import { randomFaults } from "./random.ts";
import { rivals } from "./rivals.ts";
import { rollingPower } from "./rolling-power.ts";
import { split } from "./split.ts";

export const SCENARIOS: readonly Scenario[] = [
  randomFaults,
  split,
  rivals,
  cutRestartForce,
  pausedWriter,
  rollingPower,
  calm,
];
