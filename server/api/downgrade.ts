/**
 * What Maintenance.Downgrade refuses, in etcd's order of checks. There is no older version that could open the data, so no
 * target is valid here, where etcd knows one: the minor version before its own.
 */
import { DOWNGRADE_CANCEL, DOWNGRADE_ENABLE, DOWNGRADE_VALIDATE } from "../../proto/rare.ts";
import type { DowngradeRequest } from "../../proto/rare.ts";
import type { Status } from "../transport/service.ts";
import { DOWNGRADE_TARGET_INVALID, DOWNGRADE_VERSION_MALFORMED, UNKNOWN_DOWNGRADE_ACTION } from "./statuses.ts";

/** @returns the refusal, or null where there is nothing to do */
export function checkDowngrade({ action, version }: DowngradeRequest): Status | null {
  switch (action) {
    case DOWNGRADE_VALIDATE:
    case DOWNGRADE_ENABLE:
      return isVersion(version) ? DOWNGRADE_TARGET_INVALID : DOWNGRADE_VERSION_MALFORMED;
    case DOWNGRADE_CANCEL:
      // That no downgrade is going on etcd logs, and keeps from the client.
      return null;
    default:
      return UNKNOWN_DOWNGRADE_ACTION;
  }
}

const INT64_MAX = 2n ** 63n - 1n;
const IDENTIFIERS = /^(?:[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$/;

/** `3.6.0-rc.1+build` or `3.6`, as the semver package that etcd uses reads it: leading zeros and empty identifiers are fine. */
function isVersion(text: string): boolean {
  const match = /^(\d+)\.(\d+)(?:\.(\d+)(?:-([^+]*))?(?:\+(.*))?)?$/s.exec(text);
  if (match === null) return false;
  const [, major, minor, patch = "0", preRelease = "", metadata = ""] = match;
  if (!IDENTIFIERS.test(preRelease) || !IDENTIFIERS.test(metadata)) return false;
  return [major, minor, patch].every((number) => isInt64(number));
}

function isInt64(digits: string): boolean {
  const significant = digits.replace(/^0+/, "");
  return significant.length <= INT64_DIGITS && BigInt(significant) <= INT64_MAX;
}

/** Longer numbers are not worth converting. */
const INT64_DIGITS = 19;
