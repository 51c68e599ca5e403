/** The commands that raise and end alarms. */
import assert from "node:assert/strict";
import { ALARM_ACTION_ACTIVATE, ALARM_ACTION_DEACTIVATE, ALARM_NOSPACE, alarmRequest } from "../../proto/rare.ts";
import type { AlarmRequest } from "../../proto/rare.ts";
import type { Alarm } from "../../partitions/alarms.ts";
import type { Keyspace } from "../../partitions/keyspace.ts";
import { commandKind } from "./command.ts";
import type { EventLog } from "./event-log.ts";

/** Asked for by an operator. Gives the alarm that it was about: one that is active, now or already, or one it has ended. */
export const ALARM = commandKind<AlarmRequest, readonly Alarm[]>({
  code: 7,
  name: "alarm",
  method: "/etcdserverpb.Maintenance/Alarm",
  decode: alarmRequest.decode,
  encode: alarmRequest.encode,
  execute: executeAlarm,
  tell: tellAlarm,
});

/** The server's own act when there is no more room, of which it tells when it proposes it. */
export const ALARM_RAISE = commandKind<AlarmRequest, readonly Alarm[]>({
  ...ALARM,
  code: 10,
  name: "alarm raise",
  method: null,
  tell: () => {},
});

function executeAlarm(keyspace: Keyspace, { action, memberID, alarm }: AlarmRequest): readonly Alarm[] {
  if (action === ALARM_ACTION_ACTIVATE) {
    keyspace.activateAlarm(memberID, alarm);
    return [{ memberId: memberID, alarm }];
  }
  assert(action === ALARM_ACTION_DEACTIVATE, "only requests that change alarms are journaled");
  return keyspace.deactivateAlarm(memberID, alarm) ? [{ memberId: memberID, alarm }] : [];
}

function tellAlarm(log: EventLog, { action }: AlarmRequest, changed: readonly Alarm[]): void {
  for (const { memberId, alarm } of changed) {
    const fields = { alarm: alarm === ALARM_NOSPACE ? "NOSPACE" : "CORRUPT", "member-id": memberId.toString(16) };
    if (action === ALARM_ACTION_ACTIVATE) log.warn(fields, "alarm raised");
    else log.info(fields, "alarm disarmed");
  }
}
