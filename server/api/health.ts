/** grpc.health.v1.Health: the server as a whole, which is the service with the empty name. */
import {
  HEALTH_SERVICE_UNKNOWN,
  HEALTH_SERVING,
  healthCheckRequest,
  healthCheckResponse,
  healthListRequest,
  healthListResponse,
} from "../../proto/rare.ts";
import type { Method } from "../transport/service.ts";
import { readMethod, serverStreamMethod, SILENT } from "./method.ts";
import { UNKNOWN_HEALTH_SERVICE } from "./statuses.ts";

export const healthMethods: readonly Method[] = [
  readMethod("/grpc.health.v1.Health/Check", healthCheckRequest.decode, (call, { service }) => {
    if (service === "") call.reply(healthCheckResponse.encode({ status: HEALTH_SERVING }));
    else call.fail(UNKNOWN_HEALTH_SERVICE);
  }),
  readMethod("/grpc.health.v1.Health/List", healthListRequest.decode, (call) =>
    call.reply(healthListResponse.encode({ statuses: { "": { status: HEALTH_SERVING } } })),
  ),
  serverStreamMethod("/grpc.health.v1.Health/Watch", healthCheckRequest.decode, (call, { service }) => {
    call.send(healthCheckResponse.encode({ status: service === "" ? HEALTH_SERVING : HEALTH_SERVICE_UNKNOWN }));
    // The stream lives until its client ends it: while the server answers at all it is serving.
    return SILENT;
  }),
];
