/**
 * Etcd's wire interface as declared in our .proto files: read once, when this module is loaded.
 *
 * Nothing else reads those files. The codecs of the hot messages do not use them; tests hold both against each other.
 */
import path from "node:path";
import protobuf from "protobufjs";

/** Paths of the files that declare services; they import the others. */
export const PROTO_FILES: readonly string[] = [
  "etcd/rpc.proto",
  "etcd/lock.proto",
  "etcd/election.proto",
  "grpc/health.proto",
].map((file) => path.join(import.meta.dirname, file));

/** All packages, services and messages, resolved. */
export const schema: protobuf.Root = new protobuf.Root().loadSync([...PROTO_FILES]);
schema.resolveAll();

/** One method of one service, as a server has to know it before it knows what the method does. */
export interface MethodDeclaration {
  /** As in the `:path` header: `/etcdserverpb.KV/Range`. */
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  /** Full message name: `etcdserverpb.RangeRequest`. */
  readonly requestType: string;
  readonly responseType: string;
}

/** Every method of every service that an etcd server offers on its client port, whether we implement it or not. */
export function allMethods(): MethodDeclaration[] {
  return servicesIn(schema).flatMap((service) =>
    service.methodsArray.map((method) => ({
      path: `/${fullName(service)}/${method.name}`,
      requestStream: method.requestStream === true,
      responseStream: method.responseStream === true,
      requestType: fullName(method.resolvedRequestType),
      responseType: fullName(method.resolvedResponseType),
    })),
  );
}

/** The name with its package, without the dot that protobufjs puts before it. */
export function fullName(object: protobuf.ReflectionObject | null): string {
  if (object === null) throw new Error("a name in the .proto files was not resolved");
  return object.fullName.replace(/^\./, "");
}

function servicesIn(namespace: protobuf.NamespaceBase): protobuf.Service[] {
  return namespace.nestedArray.flatMap((nested) => {
    if (nested instanceof protobuf.Service) return [nested];
    return nested instanceof protobuf.Namespace ? servicesIn(nested) : [];
  });
}
