/** Every hot message with its codec, its arbitrary and what protobufjs makes of it. */
import type { Buffer } from "node:buffer";
import type * as fc from "fast-check";
import {
  decodeCompactionRequest,
  decodeDeleteRangeRequest,
  decodePutRequest,
  decodeRangeRequest,
  decodeTxnRequest,
  decodeWatchRequest,
} from "../../proto/requests.ts";
import {
  writeCompactionRequest,
  writeDeleteRangeRequest,
  writePutRequest,
  writeRangeRequest,
  writeTxnRequest,
  writeWatchRequest,
} from "../../proto/request-writers.ts";
import {
  decodeCompactionResponse,
  decodeDeleteRangeResponse,
  decodePutResponse,
  decodeRangeResponse,
  decodeTxnResponse,
  decodeWatchResponse,
} from "../../proto/response-readers.ts";
import {
  writeCompactionResponse,
  writeDeleteRangeResponse,
  writePutResponse,
  writeRangeResponse,
  writeTxnResponse,
  writeWatchResponse,
} from "../../proto/responses.ts";
import { Writer } from "../../proto/writer.ts";
import * as arbitrary from "./arbitraries.ts";
import type { Plain } from "./oracle.ts";
import * as oracle from "./oracle.ts";

export interface HotMessage<Message = unknown> {
  /** Full name in the .proto files. */
  readonly name: string;
  readonly arbitrary: fc.Arbitrary<Message>;
  /** True when it, or a message inside, has a oneof. */
  readonly hasOneof: boolean;
  encode(message: Message): Buffer;
  decode(bytes: Buffer): Message;
  plain(message: Message): Plain;
}

const writer = new Writer();

function hot<Message>(
  name: string,
  hasOneof: boolean,
  arbitraryMessage: fc.Arbitrary<Message>,
  write: (writer: Writer, message: Message) => void,
  decode: (bytes: Buffer) => Message,
  plain: (message: Message) => Plain,
): HotMessage {
  const message: HotMessage<Message> = {
    name: `etcdserverpb.${name}`,
    arbitrary: arbitraryMessage,
    hasOneof,
    encode(of): Buffer {
      writer.reset();
      write(writer, of);
      return writer.copy();
    },
    decode,
    plain,
  };
  // The table has messages of many types; each is used with its own arbitrary only.
  return message as unknown as HotMessage;
}

// prettier-ignore
export const hotMessages: HotMessage[] = [
  hot("RangeRequest", false, arbitrary.rangeRequest, writeRangeRequest, decodeRangeRequest, oracle.plainRangeRequest),
  hot("PutRequest", false, arbitrary.putRequest, writePutRequest, decodePutRequest, oracle.plainPutRequest),
  hot("DeleteRangeRequest", false, arbitrary.deleteRangeRequest, writeDeleteRangeRequest, decodeDeleteRangeRequest, oracle.plainDeleteRangeRequest),
  hot("TxnRequest", true, arbitrary.txnRequest, writeTxnRequest, decodeTxnRequest, oracle.plainTxnRequest),
  hot("CompactionRequest", false, arbitrary.compactionRequest, writeCompactionRequest, decodeCompactionRequest, oracle.plainCompactionRequest),
  hot("WatchRequest", true, arbitrary.watchRequest, writeWatchRequest, decodeWatchRequest, oracle.plainWatchRequest),
  hot("RangeResponse", false, arbitrary.rangeResponse, writeRangeResponse, decodeRangeResponse, oracle.plainRangeResponse),
  hot("PutResponse", false, arbitrary.putResponse, writePutResponse, decodePutResponse, oracle.plainPutResponse),
  hot("DeleteRangeResponse", false, arbitrary.deleteRangeResponse, writeDeleteRangeResponse, decodeDeleteRangeResponse, oracle.plainDeleteRangeResponse),
  hot("TxnResponse", true, arbitrary.txnResponse, writeTxnResponse, decodeTxnResponse, oracle.plainTxnResponse),
  hot("CompactionResponse", false, arbitrary.compactionResponse, writeCompactionResponse, decodeCompactionResponse, oracle.plainCompactionResponse),
  hot("WatchResponse", false, arbitrary.watchResponse, writeWatchResponse, decodeWatchResponse, oracle.plainWatchResponse),
];
