/** Reads the `grpc-timeout` header: gRPC over HTTP/2 writes a deadline as a few digits and a unit. */
const UNIT_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 0.001,
  n: 0.000_001,
};

/**
 * The milliseconds a `grpc-timeout` value means (one to eight digits and a unit), or -1 when it is malformed. Fractions
 * are kept.
 */
export function parseGrpcTimeout(value: string): number {
  if (!/^[0-9]{1,8}[HMSmun]$/.test(value)) return -1;
  return Number(value.slice(0, -1)) * UNIT_MS[value[value.length - 1]];
}
