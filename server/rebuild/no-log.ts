/** For commands that tell what they do by themselves. */
import type { EventLog } from "../engine/event-log.ts";

export const NO_LOG: EventLog = { info: () => {}, warn: () => {} };
