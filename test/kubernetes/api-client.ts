/** Kubernetes objects over HTTPS: what kubectl is too slow for, and what it hides. */
import type { KubeApiserver } from "../../bench/peers/kube-apiserver.ts";

export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly labels?: Record<string, string>;
  readonly annotations?: Record<string, string>;
}

export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta;
  /** What a ConfigMap or a Secret holds. */
  readonly data?: Record<string, string>;
  readonly spec?: Record<string, unknown>;
  readonly status?: Record<string, unknown>;
}

export interface KubeList {
  readonly metadata: {
    readonly resourceVersion: string;
    readonly continue?: string;
    readonly remainingItemCount?: number;
  };
  readonly items: readonly KubeObject[];
}

/** A refusal as the apiserver words it. */
export interface Refusal {
  readonly code: number;
  readonly reason?: string;
  readonly message?: string;
  readonly metadata?: { readonly continue?: string };
}

/** The apiserver answered, and the answer was no. */
export class RefusedError extends Error {
  readonly refusal: Refusal;

  constructor(method: string, path: string, refusal: Refusal) {
    super(`${method} ${path}: ${refusal.code} ${refusal.reason ?? ""}: ${refusal.message ?? ""}`);
    this.refusal = refusal;
  }
}

export class ApiClient {
  readonly server: KubeApiserver;

  constructor(server: KubeApiserver) {
    this.server = server;
  }

  /** Gives what the server created, with its resource version. */
  create<T extends KubeObject>(collection: string, object: T): Promise<T & Stored> {
    return this.#call("POST", collection, object);
  }

  get(collection: string, name: string): Promise<StoredObject> {
    return this.#call("GET", `${collection}/${name}`);
  }

  /** Replaces an object; with a resource version in it only if that is still the current one. */
  update<T extends KubeObject>(collection: string, object: T): Promise<T & Stored> {
    return this.#call("PUT", `${collection}/${object.metadata.name}`, object);
  }

  /** Deletes one object, or the whole collection, or what the query selects of it. */
  async delete(path: string): Promise<void> {
    await this.#call("DELETE", path);
  }

  list(collection: string, query: Record<string, string> = {}): Promise<KubeList> {
    return this.#call("GET", `${collection}?${new URLSearchParams(query).toString()}`);
  }

  /** The metrics page as it is. */
  async metrics(): Promise<string> {
    const { status, body } = await this.server.request("GET", "/metrics");
    if (status !== 200) throw new Error(`no metrics: ${status} ${body}`);
    return body;
  }

  async #call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await this.server.request(method, path, body);
    if (response.status >= 400) throw new RefusedError(method, path, refusalOf(response.status, response.body));
    return JSON.parse(response.body) as T; // The apiserver is believed to send what it documents.
  }
}

/** An object that came from the server. */
export interface Stored {
  readonly metadata: ObjectMeta & { readonly resourceVersion: string; readonly uid: string };
}

export type StoredObject = KubeObject & Stored;

export function revisionOf(object: KubeObject): number {
  return Number(object.metadata.resourceVersion);
}

/** The refusal that `promise` ends with; an error when it ends otherwise. */
export async function refusalFrom(promise: Promise<unknown>): Promise<Refusal> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof RefusedError) return error.refusal;
    throw error;
  }
  throw new Error("it was expected to be refused and was not");
}

/** Path of a collection of the core group in a namespace. */
export function core(namespace: string, resource: string): string {
  return `/api/v1/namespaces/${namespace}/${resource}`;
}

export function configMap(name: string, data: Record<string, string>, labels: Record<string, string> = {}): KubeObject {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, labels }, data };
}

/** Calls `act` for every item, so many at a time, and gives the results in the order of the items. */
export async function inParallel<T, R>(
  items: readonly T[],
  concurrency: number,
  act: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      results[index] = await act(items[index] as T, index); // In range: checked in the line before.
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, work));
  return results;
}

function refusalOf(code: number, body: string): Refusal {
  try {
    return { ...(JSON.parse(body) as Refusal), code };
  } catch {
    return { code, message: body }; // Not every layer of the apiserver answers in JSON.
  }
}
