/** The bounds on revisions that a range may have (RG-12). */
import type { RangeRequest } from "../../proto/messages.ts";
import type { VersionRef, Versions } from "../state/versions.ts";

type Bounds = Pick<RangeRequest, "minModRevision" | "maxModRevision" | "minCreateRevision" | "maxCreateRevision">;

/** Whether there are bounds. */
export function hasFilter(request: Bounds): boolean {
  return (
    request.minModRevision !== 0 ||
    request.maxModRevision !== 0 ||
    request.minCreateRevision !== 0 ||
    request.maxCreateRevision !== 0
  );
}

/** Whether a version is within them. */
export function passes(request: Bounds, versions: Versions, ref: VersionRef): boolean {
  const modRevision = versions.modRevision(ref);
  const createRevision = versions.createRevision(ref);
  if (request.minModRevision !== 0 && modRevision < request.minModRevision) return false;
  if (request.maxModRevision !== 0 && modRevision > request.maxModRevision) return false;
  if (request.minCreateRevision !== 0 && createRevision < request.minCreateRevision) return false;
  return request.maxCreateRevision === 0 || createRevision <= request.maxCreateRevision;
}
