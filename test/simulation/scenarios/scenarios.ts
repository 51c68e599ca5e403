/** All scenarios, by name. */
import type { Scenario } from "../stage.ts";
import { anotherTail } from "./another-tail.ts";
import { calm } from "./calm.ts";
import { chairs } from "./chairs.ts";
import { cleanStop } from "./clean-stop.ts";
import { clocksApart } from "./clocks-apart.ts";
import { cutRestartForce } from "./cut-restart-force.ts";
import { figureEight } from "./figure-eight.ts";
import { forgottenPromise } from "./forgotten-promise.ts";
import { changingWriters } from "./changing-writers.ts";
import { lateAnswers } from "./late-answers.ts";
import { lateComer } from "./late-comer.ts";
import { lateList } from "./late-list.ts";
import { lateRepairs } from "./late-repairs.ts";
import { leaseEnd } from "./lease-end.ts";
import { lostDisks } from "./lost-disks.ts";
import { oldDisks } from "./old-disks.ts";
import { passedBy } from "./passed-by.ts";
import { overtaken } from "./overtaken.ts";
import { pausedWriter } from "./paused-writer.ts";
import { randomFaults } from "./random.ts";
import { rivals } from "./rivals.ts";
import { rollingPower } from "./rolling-power.ts";
import { rottenDisks } from "./rotten-disks.ts";
import { shortReign } from "./short-reign.ts";
import { split } from "./split.ts";
import { succession } from "./succession.ts";
import { thaw } from "./thaw.ts";
import { trimmedLists } from "./trimmed-lists.ts";

export const SCENARIOS: readonly Scenario[] = [
  randomFaults,
  split,
  rivals,
  cutRestartForce,
  pausedWriter,
  rollingPower,
  leaseEnd,
  clocksApart,
  succession,
  overtaken,
  thaw,
  cleanStop,
  forgottenPromise,
  lateComer,
  lateAnswers,
  shortReign,
  figureEight,
  chairs,
  lateList,
  lostDisks,
  oldDisks,
  rottenDisks,
  anotherTail,
  lateRepairs,
  trimmedLists,
  changingWriters,
  passedBy,
  calm,
];
