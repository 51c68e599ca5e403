/** The registered methods by path, and the answers to paths that are not registered: the texts are grpc-go's. */
import assert from "node:assert/strict";

import { UNIMPLEMENTED } from "../../proto/grpc-codes.ts";
import type { Method, Status } from "./service.ts";

export class MethodTable {
  readonly #methods = new Map<string, Method>();
  readonly #services = new Set<string>();

  constructor(methods: readonly Method[]) {
    for (const method of methods) {
      assert(/^\/[^/]+\/[^/]+$/.test(method.path), "a method's path is /service/method");
      assert(!this.#methods.has(method.path), "a method is registered once");
      this.#methods.set(method.path, method);
      this.#services.add(method.path.slice(1, method.path.lastIndexOf("/")));
    }
  }

  find(path: string): Method | null {
    return this.#methods.get(path) ?? null;
  }

  /** The status for a path that `find` does not know. */
  unknown(path: string): Status {
    const name = path.startsWith("/") ? path.slice(1) : path;
    const slash = name.lastIndexOf("/");
    if (slash < 0) return { code: UNIMPLEMENTED, message: `malformed method name: "${path}"` };
    const service = name.slice(0, slash);
    if (!this.#services.has(service)) return { code: UNIMPLEMENTED, message: `unknown service ${service}` };
    return { code: UNIMPLEMENTED, message: `unknown method ${name.slice(slash + 1)} for service ${service}` };
  }
}
