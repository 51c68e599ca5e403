/** Every kind of command by its code. */
import assert from "node:assert/strict";
import { ALARM, ALARM_RAISE } from "./alarm-commands.ts";
import { AUTH, PASSWORD_RENEWAL } from "./auth-commands.ts";
import { BASE } from "./base-command.ts";
import type { AnyCommandKind } from "./command.ts";
import { AUTO_COMPACTION, COMPACTION, DELETE_RANGE, PUT, TXN } from "./kv-commands.ts";
import { QUOTA_REACHED, QUOTAS } from "./quota-commands.ts";
import { LEASE_EXPIRY, LEASE_GRANT, LEASE_REVOKE } from "./lease-commands.ts";

export const COMMAND_KINDS: readonly AnyCommandKind[] = [
  PUT,
  DELETE_RANGE,
  TXN,
  COMPACTION,
  LEASE_GRANT,
  LEASE_REVOKE,
  ALARM,
  AUTH,
  LEASE_EXPIRY,
  ALARM_RAISE,
  AUTO_COMPACTION,
  QUOTAS,
  QUOTA_REACHED,
  BASE,
  PASSWORD_RENEWAL,
];

/** Codes begin at 1. */
const BY_CODE: readonly AnyCommandKind[] = [...COMMAND_KINDS].toSorted((a, b) => a.code - b.code);

for (const [i, { code }] of BY_CODE.entries()) assert(code === i + 1, "every code stands for one kind");

/** @throws Error for a code that only a newer version knows */
export function commandKindOf(code: number): AnyCommandKind {
  const kind = BY_CODE[code - 1];
  if (kind === undefined) throw new Error(`a journal record of kind ${code} was written by a newer version`);
  return kind;
}
