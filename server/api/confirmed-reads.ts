/** Linearizable reads that are rare: what they do is begun when what was executed may be shown. */
import type { Refusal } from "../../partitions/refusals.ts";
import type { ReadGate } from "../engine/read-gate.ts";
import type { UnaryCall, UnaryMethod } from "../transport/service.ts";
import { lastingMethod } from "./method.ts";

/** Reads for the call, or fails it. */
export function readConfirmed(
  reads: ReadGate,
  call: Pick<UnaryCall, "fail">,
  read: () => void,
  onTimeout?: Refusal,
): void {
  reads.whenOpen((refusal) => (refusal === null ? read() : call.fail(refusal)), onTimeout);
}

/** A method that does nothing before that. */
export function confirmedMethod<Request>(
  path: string,
  decode: (message: Buffer) => Request,
  reads: ReadGate,
  handle: (call: UnaryCall, request: Request) => void,
): UnaryMethod {
  return lastingMethod(path, decode, (call, request) => readConfirmed(reads, call, () => handle(call, request)));
}
