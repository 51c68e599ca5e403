/** Which path of the gateway calls which method, as the .proto files declare it. They are read at the first question. */
import type protobuf from "protobufjs";
import { allMethods, schema } from "../../proto/schema.ts";
import type { Method } from "../transport/service.ts";

export interface Route {
  readonly method: Method;
  readonly requestType: protobuf.Type;
  readonly responseType: protobuf.Type;
}

export class Routes {
  readonly #methods: readonly Method[];
  #byPath: ReadonlyMap<string, Route> | null = null;

  constructor(methods: readonly Method[]) {
    this.#methods = methods;
  }

  /** @param path without its query: `/v3/kv/range` */
  find(path: string): Route | null {
    this.#byPath ??= readRoutes(this.#methods);
    return this.#byPath.get(path) ?? null;
  }
}

function readRoutes(methods: readonly Method[]): ReadonlyMap<string, Route> {
  const served = new Map(methods.map((method) => [method.path, method]));
  const routes = new Map<string, Route>();
  for (const { path, httpPaths, requestType, responseType } of allMethods()) {
    const method = served.get(path);
    if (method === undefined) continue;
    const route = {
      method,
      requestType: schema().lookupType(requestType),
      responseType: schema().lookupType(responseType),
    };
    for (const httpPath of httpPaths) routes.set(httpPath, route);
  }
  return routes;
}
