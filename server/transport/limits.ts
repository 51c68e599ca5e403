/** Every bound of the transport has its name and its value here. Sizes are bytes, times milliseconds. */

export interface TransportLimits {
  /** Largest request message, before and after decompression. A larger one is answered RESOURCE_EXHAUSTED. */
  readonly receiveMessageBytesMax: number;
  /** Open connections of all listeners together. Further ones are closed at once. */
  readonly connectionsMax: number;
  /** Open streams of one connection; further ones are answered REFUSED_STREAM, which clients retry. */
  readonly streamsPerConnectionMax: number;
  /**
   * How many of them are announced. Clients keep to it without a word: a watch client has one stream per resource, and
   * a small number would starve it silently. So it is what the operator asks for, else 2^31 - 1.
   */
  readonly streamsAnnounced: number;
  /** Receive window of a connection. */
  readonly connectionWindowBytes: number;
  /** Receive window of a stream. It holds the largest message, so that a request needs no window update. */
  readonly streamWindowBytes: number;
  /** Largest list of request headers, counted as RFC 7541 does. Announced; a larger one is answered with status 431. */
  readonly headerListBytesMax: number;
  /** Largest encoded header block, HEADERS and CONTINUATION together. A larger one ends the connection. */
  readonly headerBlockBytesMax: number;
  /** CONTINUATION frames of one header block. More end the connection. */
  readonly continuationFramesMax: number;
  /** Bytes of incomplete messages held for one connection; the request that would exceed it is refused. */
  readonly partialMessageBytesMax: number;
  /** The same for all connections together. */
  readonly partialMessageBytesTotalMax: number;
  /** Open plain HTTP requests of one connection, each a pair of sockets; further ones are answered REFUSED_STREAM. */
  readonly plainRequestsPerConnectionMax: number;
  /** What of the body of a plain HTTP request may wait for who reads it. */
  readonly plainBodyBytesMax: number;
  /** Bytes queued for one stream above which it is not writable. It is writable again at half of it. */
  readonly queuedBytesPerStreamMax: number;
  /** Memory held by what streaming calls of a connection have queued, above which those that queue are not writable. */
  readonly queuedBytesPerConnectionMax: number;
  /** The same for all connections together. */
  readonly queuedBytesMax: number;
  /**
   * Memory of messages that streaming calls of a connection have queued as copies. Above it no stream of the connection
   * is writable, and one that queues another message is ended with RESOURCE_EXHAUSTED.
   */
  readonly copiedBytesPerConnectionMax: number;
  /** Bytes of unary answers that wait for the client's window. Above it further calls of the connection are refused. */
  readonly owedBytesPerConnectionMax: number;
  /** The same for all connections together. */
  readonly owedBytesMax: number;
  /** What a connection may owe or have queued even while all together exceed their limit. */
  readonly guaranteedBytesPerConnection: number;
  /** Bytes handed to the socket and not yet taken by the kernel above which nothing more is read from it. */
  readonly pendingOutputBytesMax: number;
  /**
   * How long one connection's input is worked on before the event loop goes on. The message that is at hand is finished,
   * and what is left of the input, and of its frame, waits for the next turn. Connections that wait share one turn, as far
   * as that makes sense.
   */
  readonly turnMs: number;
  /**
   * Calls that a connection has refused for want of room before nothing is read of it for a while: refusing would else take
   * all the time that those have who are not refused. Longer while there are many such connections, up to a bound.
   */
  readonly refusalsPerReadMax: number;
  readonly refusedPauseMsMin: number;
  readonly refusedPauseMsMax: number;
  /**
   * Streams that a client resets within a second, or that are reset because it breaks a rule, less the calls it lets
   * their handlers answer. More end the connection.
   */
  readonly resetsPerSecondMax: number;
  /** PING, SETTINGS, PRIORITY and unknown frames within a second. Go clients send a PING for every second call. */
  readonly controlFramesPerSecondMax: number;
  /**
   * How long a client with streams has to wait from one PING to the next, see `connection/ping-policy.ts`; 0 lets it ping
   * as it likes.
   */
  readonly pingIntervalMsMin: number;
  /** How long a client may be silent before it is sent a PING, and how long after that before its connection is closed. */
  readonly keepAliveIntervalMs: number;
  readonly keepAliveTimeoutMs: number;
  /** DATA frames without payload and END_STREAM since a frame that brought something. More end the connection. */
  readonly emptyDataFramesMax: number;
  /** How long a new connection may take to send the HTTP/2 preface or the first bytes of an HTTP/1.1 request. */
  readonly prefaceTimeoutMs: number;
  /** How long a client may take for its TLS handshake, from when it has begun it. */
  readonly handshakeTimeoutMs: number;
  /** TLS handshakes that are begun in one turn of the event loop; the others wait for the next one. */
  readonly handshakesPerTurnMax: number;
  /**
   * How long a client of a server that waits for another one is not greeted: less than the 20 s after which it gives up, and
   * less than it takes itself: kube-apiserver's metrics wait for a greeting.
   */
  readonly holdMs: number;
  /** How long a client may take to send its SETTINGS, and to acknowledge ours. */
  readonly settingsTimeoutMs: number;
  /** How long a request that should have one message, or a plain HTTP request, may go without any byte of it. */
  readonly requestBodyTimeoutMs: number;
  /**
   * How long a socket that has output waiting may accept none, and how long an answer, or a message of a call that has
   * one request and many answers, may wait for the client's windows. Watches may wait for ever.
   */
  readonly writeStallTimeoutMs: number;
  /**
   * How long the head of an HTTP/1.1 request may take. Its body may stay open for as long as its reader likes: a stream of JSON
   * does.
   */
  readonly httpHeadMs: number;
  /**
   * How long an HTTP/1.1 connection may be silent between two requests: longer than clients keep one, for whom a connection that
   * ends as they use it again is a failed call.
   */
  readonly httpIdleMs: number;
  /** How long a connection is kept to let the client read our GOAWAY before it is destroyed. */
  readonly lingerMs: number;
  /** How long shutdown waits for the answer to its PING before it stops taking new streams. */
  readonly shutdownPingMs: number;
  /** How often connections are checked for the timeouts above. They are late by up to twice this. */
  readonly sweepIntervalMs: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;

/** A message as text is longer than on the wire. */
const PLAIN_FACTOR = 2;

/** The limits for messages of up to so many bytes: a connection can always hold one of them. */
export function limitsForMessages(receiveMessageBytesMax: number): Partial<TransportLimits> {
  const partialMessageBytesMax = Math.max(DEFAULT_LIMITS.partialMessageBytesMax, receiveMessageBytesMax + KIB);
  return { receiveMessageBytesMax, partialMessageBytesMax, plainBodyBytesMax: PLAIN_FACTOR * receiveMessageBytesMax };
}

export const DEFAULT_LIMITS: TransportLimits = {
  // etcd's --max-request-bytes and 512 KiB for what surrounds it.
  receiveMessageBytesMax: 1_572_864 + 524_288,
  connectionsMax: 65_536,
  streamsPerConnectionMax: 262_144,
  streamsAnnounced: 2 ** 31 - 1,
  connectionWindowBytes: 16 * MIB,
  streamWindowBytes: 2 * MIB + 64 * KIB,
  headerListBytesMax: 16 * KIB,
  headerBlockBytesMax: 64 * KIB,
  continuationFramesMax: 16,
  partialMessageBytesMax: 64 * MIB,
  partialMessageBytesTotalMax: 1024 * MIB,
  plainRequestsPerConnectionMax: 100,
  plainBodyBytesMax: PLAIN_FACTOR * (1_572_864 + 524_288),
  queuedBytesPerStreamMax: 256 * KIB,
  queuedBytesPerConnectionMax: 4 * MIB,
  queuedBytesMax: 1024 * MIB,
  copiedBytesPerConnectionMax: 16 * MIB,
  owedBytesPerConnectionMax: 256 * MIB,
  owedBytesMax: 1024 * MIB,
  // For as many connections as there may be, that is another GiB.
  guaranteedBytesPerConnection: 16 * KIB,
  pendingOutputBytesMax: 256 * KIB,
  turnMs: 2,
  refusalsPerReadMax: 32,
  refusedPauseMsMin: 10,
  refusedPauseMsMax: 100,
  // A client that loses patience with a slow disk cancels everything it has in flight; an attack sends far more.
  resetsPerSecondMax: 10_000,
  controlFramesPerSecondMax: 200_000,
  pingIntervalMsMin: 5_000,
  keepAliveIntervalMs: 7_200_000,
  keepAliveTimeoutMs: 20_000,
  emptyDataFramesMax: 1_000,
  prefaceTimeoutMs: 10_000,
  handshakeTimeoutMs: 10_000,
  handshakesPerTurnMax: 4,
  holdMs: 5_000,
  settingsTimeoutMs: 10_000,
  requestBodyTimeoutMs: 30_000,
  writeStallTimeoutMs: 60_000,
  httpHeadMs: 60_000,
  httpIdleMs: 300_000,
  lingerMs: 1_000,
  shutdownPingMs: 1_000,
  sweepIntervalMs: 1_000,
};
