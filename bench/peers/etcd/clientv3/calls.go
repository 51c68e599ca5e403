package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// call is one line of stdin.
type call struct {
	Path string `json:"path"`
	// The message's bytes; base64 in JSON.
	Message []byte `json:"message"`
	// "unary" (or nothing), "server-stream" or "bidi".
	Kind string `json:"kind"`
	// Names and values, in the order in which they are sent.
	Metadata [][2]string `json:"metadata"`
}

// ending is one line of stdout: the status as gRPC has it, and the same as an application sees it.
type ending struct {
	Code codes.Code `json:"code"`
	Text string     `json:"text"`
	Seen *seen      `json:"seen"`
}

// A call that is not over by then ends with DEADLINE_EXCEEDED.
const callTimeMax = 15 * time.Second

// makeCalls makes one call after another, each of them once, through the connection that the client itself uses.
func makeCalls(endpoint string, out *json.Encoder) error {
	config := configOf(endpoint)
	// The client's interceptor would try again up to 100 times, also where a token is refused.
	config.MaxUnaryRetries = 1
	client, err := clientv3.New(config)
	if err != nil {
		return err
	}
	defer client.Close()
	lines := bufio.NewReader(os.Stdin)
	for {
		// No Scanner: a line may be longer than any that it takes.
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		var c call
		if err := json.Unmarshal(line, &c); err != nil {
			return err
		}
		ended, err := c.make(client.ActiveConnection())
		if err != nil {
			return err
		}
		if err := out.Encode(ended); err != nil {
			return err
		}
	}
}

// make gives an error of its own only when it does not know what to do.
func (c *call) make(connection *grpc.ClientConn) (*ending, error) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeMax)
	defer cancel()
	for _, field := range c.Metadata {
		ctx = metadata.AppendToOutgoingContext(ctx, field[0], field[1])
	}
	// Past the client's own limits, so that it is the server that says no.
	options := []grpc.CallOption{
		grpc.ForceCodec(asBytes{}),
		grpc.MaxCallSendMsgSize(math.MaxInt32),
		grpc.MaxCallRecvMsgSize(math.MaxInt32),
		grpc.WaitForReady(true),
	}
	var err error
	switch c.Kind {
	case "", "unary":
		var reply []byte
		err = connection.Invoke(ctx, c.Path, c.Message, &reply, options...)
	case "server-stream", "bidi":
		err = c.stream(ctx, connection, options)
	default:
		return nil, fmt.Errorf("a call can not be of the kind %q", c.Kind)
	}
	return &ending{Code: status.Code(err), Text: status.Convert(err).Message(), Seen: seenOf(err)}, nil
}

// stream sends the one message and reads to the end. Where the client may send more, an answer is the end: a watch goes on
// whatever its client says, so that what comes first, an answer or a status, is all that can be waited for.
func (c *call) stream(ctx context.Context, connection *grpc.ClientConn, options []grpc.CallOption) error {
	bidi := c.Kind == "bidi"
	stream, err := connection.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: bidi}, c.Path, options...)
	if err != nil {
		return err
	}
	// io.EOF says that the stream has ended already; its status is with the receiver.
	if err := stream.SendMsg(c.Message); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	var reply []byte
	if bidi {
		return endOf(stream.RecvMsg(&reply))
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	for {
		if err := stream.RecvMsg(&reply); err != nil {
			return endOf(err)
		}
	}
}

// endOf is the status that a stream's reader got; io.EOF stands for OK.
func endOf(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// asBytes is a codec of messages that are bytes already.
type asBytes struct{}

var _ encoding.Codec = asBytes{}

func (asBytes) Marshal(message any) ([]byte, error) {
	bytes, ok := message.([]byte)
	if !ok {
		return nil, fmt.Errorf("a %T is not bytes", message)
	}
	return bytes, nil
}

func (asBytes) Unmarshal(data []byte, message any) error {
	bytes, ok := message.(*[]byte)
	if !ok {
		return fmt.Errorf("a %T takes no bytes", message)
	}
	*bytes = data
	return nil
}

// Name is what the content type ends in: that of the client's own calls.
func (asBytes) Name() string { return "proto" }
