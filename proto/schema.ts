/**
 * Etcd's wire interface as declared in our .proto files: read once, when it is first asked for. That is as much work as
 * all the rest of a start, so it can be over before; protobufjs itself is loaded no sooner.
 *
 * Nothing else reads those files. The codecs of the hot messages do not use them; tests hold both against each other.
 */
import { createRequire } from "node:module";
import path from "node:path";
import type protobuf from "protobufjs";

/** Paths of the files that declare services; they import the others. */
export const PROTO_FILES: readonly string[] = [
  "etcd/rpc.proto",
  "etcd/lock.proto",
  "etcd/election.proto",
  "grpc/health.proto",
].map((file) => path.join(import.meta.dirname, file));

const require = createRequire(import.meta.url);

let library: typeof protobuf | null = null;
let root: protobuf.Root | null = null;

export function protobufjs(): typeof protobuf {
  // A `require` has no types; the import above says of what package they are.
  library ??= require("protobufjs") as typeof protobuf;
  return library;
}

/** All packages, services and messages, resolved. */
export function schema(): protobuf.Root {
  if (root !== null) return root;
  root = new (protobufjs().Root)().loadSync([...PROTO_FILES]);
  root.resolveAll();
  return root;
}

/** One method of one service, as a server has to know it before it knows what the method does. */
export interface MethodDeclaration {
  /** As in the `:path` header: `/etcdserverpb.KV/Range`. */
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  /** Full message name: `etcdserverpb.RangeRequest`. */
  readonly requestType: string;
  readonly responseType: string;
  /** Where JSON is POSTed to call it, as its `google.api.http` option says: `/v3/kv/range`. None is no part of HTTP. */
  readonly httpPaths: readonly string[];
}

/** Every method of every service that an etcd server offers on its client port, whether we implement it or not. */
export function allMethods(): MethodDeclaration[] {
  return servicesIn(schema()).flatMap((service) =>
    service.methodsArray.map((method) => ({
      path: `/${fullName(service)}/${method.name}`,
      requestStream: method.requestStream === true,
      responseStream: method.responseStream === true,
      requestType: fullName(method.resolvedRequestType),
      responseType: fullName(method.resolvedResponseType),
      httpPaths: httpPathsOf(method),
    })),
  );
}

/** What an option `google.api.http` says, as far as our files use it. */
interface HttpRule {
  readonly post: string;
  readonly additional_bindings?: HttpRule | readonly HttpRule[];
}

function httpPathsOf(method: protobuf.Method): readonly string[] {
  // Options have no types; a test compares the paths with those that etcd's Go module declares.
  const options = (method.parsedOptions ?? []) as unknown as readonly { readonly "(google.api.http)"?: HttpRule }[];
  return options.flatMap(({ "(google.api.http)": rule }) => (rule === undefined ? [] : pathsOfRule(rule)));
}

/** A single one of a repeated field is parsed as if it were not repeated. */
function pathsOfRule({ post, additional_bindings: more = [] }: HttpRule): readonly string[] {
  return [post, ...[more].flat().flatMap(pathsOfRule)];
}

/** The name with its package, without the dot that protobufjs puts before it. */
export function fullName(object: protobuf.ReflectionObject | null): string {
  if (object === null) throw new Error("a name in the .proto files was not resolved");
  return object.fullName.replace(/^\./, "");
}

function servicesIn(namespace: protobuf.NamespaceBase): protobuf.Service[] {
  const { Namespace, Service } = protobufjs();
  return namespace.nestedArray.flatMap((nested) => {
    if (nested instanceof Service) return [nested];
    return nested instanceof Namespace ? servicesIn(nested) : [];
  });
}
