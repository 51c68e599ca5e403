/** All faults there are. */
import type { Fault } from "./fault.ts";
import { DISK_FAULTS } from "./faults/disks.ts";
import { SERVER_FAULTS } from "./faults/server.ts";

export const FAULTS: readonly Fault[] = [...DISK_FAULTS, ...SERVER_FAULTS];
