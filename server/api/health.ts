/** grpc.health.v1.Health: the server as a whole, which is the service with the empty name. Served from the very start. */
import {
  HEALTH_NOT_SERVING,
  HEALTH_SERVICE_UNKNOWN,
  HEALTH_SERVING,
  healthCheckRequest,
  healthCheckResponse,
  healthListRequest,
  healthListResponse,
} from "../../proto/rare.ts";
import type { StartProgress } from "../engine/start-progress.ts";
import type { Method } from "../transport/service.ts";
import { readMethod, serverStreamMethod, SILENT } from "./method.ts";
import { UNKNOWN_HEALTH_SERVICE } from "./statuses.ts";

export function healthMethods(start: StartProgress): Method[] {
  const status = (): number => (start.isOver ? HEALTH_SERVING : HEALTH_NOT_SERVING);
  return [
    readMethod("/grpc.health.v1.Health/Check", healthCheckRequest.decode, (call, { service }) => {
      if (service === "") call.reply(healthCheckResponse.encode({ status: status() }));
      else call.fail(UNKNOWN_HEALTH_SERVICE);
    }),
    readMethod("/grpc.health.v1.Health/List", healthListRequest.decode, (call) =>
      call.reply(healthListResponse.encode({ statuses: { "": { status: status() } } })),
    ),
    serverStreamMethod("/grpc.health.v1.Health/Watch", healthCheckRequest.decode, (call, { service }) => {
      const isKnown = service === "";
      const tell = (): void =>
        call.send(healthCheckResponse.encode({ status: isKnown ? status() : HEALTH_SERVICE_UNKNOWN }));
      tell();
      // The stream lives until its client ends it: once the server serves, that is all there is to tell.
      if (start.isOver || !isKnown) return SILENT;
      return { ...SILENT, onClose: start.whenOver(tell) };
    }),
  ];
}
