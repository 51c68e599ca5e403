/** All faults there are. */
import type { Fault } from "./fault.ts";
import { DISK_FAULTS } from "./faults/disks.ts";
import { LINK_FAULTS } from "./faults/links.ts";
import { PARTITION_FAULTS } from "./faults/partitions.ts";
import { PROCESS_FAULTS } from "./faults/processes.ts";
import { SERVER_FAULTS } from "./faults/server.ts";

export const FAULTS: readonly Fault[] = [
  ...DISK_FAULTS,
  ...SERVER_FAULTS,
  ...PROCESS_FAULTS,
  ...LINK_FAULTS,
  ...PARTITION_FAULTS,
];
