/**
 * The server's own acts about quotas of partitions, as they stand in a journal record behind its kind: JSON, with the bytes
 * of a prefix as latin1.
 *
 *     {"quotas":[{"prefix":"/registry/events/","quotaBytes":2147483648}]}
 *     {"prefix":"/registry/events/","isReached":true}
 */
import type { Quotas } from "../../partitions/state/quotas.ts";
import type { PrefixQuota } from "../../partitions/state/quotas.ts";
import { commandKind } from "./command.ts";
import { shortName } from "./event-log.ts";

interface SetQuotas {
  readonly quotas: readonly PrefixQuota[];
}

interface SetReached {
  readonly prefix: string;
  readonly isReached: boolean;
}

/** The operator's map has other quotas than the keyspace. */
export const QUOTAS = commandKind<SetQuotas, null>({
  code: 12,
  name: "quotas",
  decode: (message) => JSON.parse(message.toString()) as SetQuotas,
  encode: (request) => Buffer.from(JSON.stringify(request)),
  execute: ({ quotas }, request) => {
    quotas.set(request.quotas);
    return null;
  },
  tell: (log, { quotas }) => log.info({ quotas: quotas.length }, "quotas of partitions changed"),
});

/** A quota is reached, or there is room again. Gives whether that is new. */
export const QUOTA_REACHED = commandKind<SetReached, { readonly isNew: boolean }>({
  code: 13,
  name: "quota reached",
  decode: (message) => JSON.parse(message.toString()) as SetReached,
  encode: (request) => Buffer.from(JSON.stringify(request)),
  execute: ({ quotas }, { prefix, isReached }) => ({ isNew: quotas.setReached(prefix, isReached) }),
  tell: (log, { prefix, isReached }, { isNew }) => {
    if (!isNew) return;
    const fields = { prefix: shortName(textOf(prefix)) };
    if (isReached) log.warn(fields, "a partition has reached its quota; what grows it is refused");
    else log.info(fields, "a partition has room again");
  },
});

export function textOf(prefix: string): string {
  return Buffer.from(prefix, "latin1").toString();
}

/** Whether they are what the map says. */
export function isSame(quotas: Quotas, wanted: readonly PrefixQuota[]): boolean {
  const set = quotas.list();
  return (
    set.length === wanted.length && wanted.every(({ prefix, quotaBytes }) => quotas.bytesOf(prefix) === quotaBytes)
  );
}
