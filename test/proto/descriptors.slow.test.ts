/**
 * Our .proto files against the descriptors in etcd's own Go module, printed by a small Go program. Both are brought into
 * one form and must be equal, so that neither may have more than the other.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import protobuf from "protobufjs";
import { beforeAll, describe, expect, test } from "vitest";
import { allMethods, fullName, PROTO_FILES } from "../../proto/schema.ts";
import { ensurePeer, goMissingReason } from "../../bench/peers/build.ts";

interface FieldDescriptor {
  name: string;
  number: number;
  type: string;
  typeName: string | null;
  repeated: boolean;
  packed: boolean;
  presence: boolean;
  oneof: string | null;
}

interface MessageDescriptor {
  name: string;
  file: string;
  fields: FieldDescriptor[];
}

interface EnumDescriptor {
  name: string;
  values: { name: string; number: number }[];
}

interface MethodDescriptor {
  path: string;
  input: string;
  output: string;
  clientStreaming: boolean;
  serverStreaming: boolean;
  httpPaths: string[];
}

interface Descriptors {
  packages: {
    services: { name: string; methods: MethodDescriptor[] }[];
    messages: MessageDescriptor[];
    enums: EnumDescriptor[];
  }[];
}

/** Etcd keeps in the same package what its members write to their logs and disks. No client sees it. */
const INTERNAL_FILES = ["raft_internal.proto", "etcdserver.proto"];

const goMissing = goMissingReason();

describe.skipIf(goMissing !== null)(
  `our .proto files declare etcd's wire interface${goMissing ? ` (${goMissing})` : ""}`,
  () => {
    let etcd: Descriptors;

    beforeAll(async () => {
      const program = await ensurePeer("descriptors");
      const { stdout } = await promisify(execFile)(program, { maxBuffer: 16 * 1024 * 1024 });
      etcd = JSON.parse(stdout) as Descriptors;
    });

    test("every message has the same fields", () => {
      const theirs = etcd.packages
        .flatMap((pkg) => pkg.messages)
        .filter((message) => !INTERNAL_FILES.includes(message.file))
        .map(({ name, fields }) => [name, fields] as const);
      expect(Object.fromEntries(ourMessages())).toEqual(Object.fromEntries(theirs));
    });

    test("every enum has the same values", () => {
      const theirs = etcd.packages
        .flatMap((pkg) => pkg.enums)
        .map(({ name, values }) => [name, byNumber(values)] as const);
      expect(Object.fromEntries(ourEnums())).toEqual(Object.fromEntries(theirs));
    });

    test("every service has the same methods with the same kinds of streams and paths of the JSON gateway", () => {
      const theirs = etcd.packages
        .flatMap((pkg) => pkg.services)
        .flatMap((service) => service.methods)
        .map(({ path, input, output, clientStreaming, serverStreaming, httpPaths }) => [
          path,
          { input, output, clientStreaming, serverStreaming, httpPaths },
        ]);
      expect(Object.fromEntries(ourMethods())).toEqual(Object.fromEntries(theirs));
    });
  },
);

/** The same files as the program reads, with names as they are written there. */
const schema = new protobuf.Root().loadSync([...PROTO_FILES], { keepCase: true });
schema.resolveAll();

function everything(): protobuf.ReflectionObject[] {
  const found: protobuf.ReflectionObject[] = [];
  function visit(object: protobuf.ReflectionObject): void {
    found.push(object);
    if (object instanceof protobuf.Namespace) object.nestedArray.forEach(visit);
  }
  schema.nestedArray.forEach(visit);
  return found;
}

function ourMessages(): (readonly [string, FieldDescriptor[]])[] {
  return everything()
    .filter((object) => object instanceof protobuf.Type)
    .flatMap((type) => [[fullName(type), ourFields(type)] as const, ...mapEntries(type)]);
}

function ourFields(type: protobuf.Type): FieldDescriptor[] {
  return type.fieldsArray
    .map((field) => (field instanceof protobuf.MapField ? mapField(field) : ourField(field)))
    .toSorted((a, b) => a.number - b.number);
}

function ourField(field: protobuf.Field): FieldDescriptor {
  const { type, typeName } = typeOf(field);
  return {
    name: field.name,
    number: field.id,
    type,
    typeName,
    repeated: field.repeated,
    packed: field.repeated && !["string", "bytes", "message"].includes(type) && field.packed,
    presence: !field.repeated && (type === "message" || field.partOf !== null),
    oneof: field.partOf === null ? null : field.partOf.name,
  };
}

function typeOf(field: protobuf.FieldBase): Pick<FieldDescriptor, "type" | "typeName"> {
  if (field.resolvedType === null) return { type: field.type, typeName: null };
  return {
    type: field.resolvedType instanceof protobuf.Enum ? "enum" : "message",
    typeName: fullName(field.resolvedType),
  };
}

const PLAIN = { repeated: false, packed: false, presence: false, oneof: null };

/** On the wire, and in Go's descriptors, a map is a repeated message of key and value. */
function mapField(field: protobuf.MapField): FieldDescriptor {
  return { ...PLAIN, name: field.name, number: field.id, type: "message", typeName: entryName(field), repeated: true };
}

function mapEntries(type: protobuf.Type): (readonly [string, FieldDescriptor[]])[] {
  return type.fieldsArray
    .filter((field) => field instanceof protobuf.MapField)
    .map((field) => {
      const value = typeOf(field);
      return [
        entryName(field),
        [
          { ...PLAIN, name: "key", number: 1, type: field.keyType, typeName: null },
          { ...PLAIN, name: "value", number: 2, ...value, presence: value.type === "message" },
        ],
      ] as const;
    });
}

function entryName(field: protobuf.MapField): string {
  const name = field.name.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return `${fullName(field.parent)}.${name}Entry`;
}

function ourEnums(): (readonly [string, EnumDescriptor["values"]])[] {
  return everything()
    .filter((object) => object instanceof protobuf.Enum)
    .map((object) => {
      const values = Object.entries(object.values).map(([name, number]) => ({ name, number }));
      return [fullName(object), byNumber(values)];
    });
}

function byNumber(values: EnumDescriptor["values"]): EnumDescriptor["values"] {
  return values.toSorted((a, b) => a.number - b.number);
}

function ourMethods(): [string, Omit<MethodDescriptor, "path">][] {
  return allMethods().map((method) => [
    method.path,
    {
      input: method.requestType,
      output: method.responseType,
      clientStreaming: method.requestStream,
      serverStreaming: method.responseStream,
      httpPaths: [...method.httpPaths],
    },
  ]);
}
