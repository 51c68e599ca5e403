/** A call that a sliced job is done for, without a transport: still open unless the test closes it. */
import type { JobCall } from "../../server/api/sliced-jobs.ts";
import type { Status } from "../../server/transport/service.ts";

export class HeldCall implements JobCall {
  closed = false;
  status: Status | null = null;

  fail(status: Status): void {
    this.status = status;
  }
}
