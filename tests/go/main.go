// A gRPC client in Go: calls of all four kinds over TLS and in gzip, metadata, a failure with
// details, a deadline and a cancellation.
//
//	client ADDRESS ROOTS.pem DESCRIPTORS.binpb
//
// Prints a line for each thing that holds, and fails loudly.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

const (
	service  = "bookshelf.v1.Bookshelf"
	tides    = "shelves/science/books/tides"
	patience = 30 * time.Second
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func check(holds bool, what ...any) {
	if !holds {
		panic(fmt.Sprint(what...))
	}
}

// The service, as a descriptor set tells of it.
type bookshelf struct {
	*grpc.ClientConn
	methods protoreflect.MethodDescriptors
}

func open(address, roots, descriptors string) bookshelf {
	trusted, err := credentials.NewClientTLSFromFile(roots, "")
	must(err)
	// Everything goes packed, and is unpacked where the other side can't take it.
	packed := grpc.WithDefaultCallOptions(grpc.UseCompressor(gzip.Name))
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(trusted), packed)
	must(err)
	encoded, err := os.ReadFile(descriptors)
	must(err)
	var set descriptorpb.FileDescriptorSet
	must(proto.Unmarshal(encoded, &set))
	files, err := protodesc.NewFiles(&set)
	must(err)
	found, err := files.FindDescriptorByName(service)
	must(err)
	return bookshelf{connection, found.(protoreflect.ServiceDescriptor).Methods()}
}

func (shelf bookshelf) method(name string) protoreflect.MethodDescriptor {
	return shelf.methods.ByName(protoreflect.Name(name))
}

func path(method string) string {
	return "/" + service + "/" + method
}

// A request of a method, written as JSON.
func (shelf bookshelf) ask(method, json string) *dynamicpb.Message {
	message := dynamicpb.NewMessage(shelf.method(method).Input())
	must(protojson.Unmarshal([]byte(json), message))
	return message
}

// A call with one message each way.
func (shelf bookshelf) call(
	ctx context.Context, method, json string, options ...grpc.CallOption,
) (*dynamicpb.Message, error) {
	answer := dynamicpb.NewMessage(shelf.method(method).Output())
	return answer, shelf.Invoke(ctx, path(method), shelf.ask(method, json), answer, options...)
}

// A call that streams in one direction or both.
type stream struct {
	grpc.ClientStream
	shelf  bookshelf
	method string
}

func (shelf bookshelf) stream(ctx context.Context, method string) stream {
	kind := shelf.method(method)
	description := grpc.StreamDesc{
		ClientStreams: kind.IsStreamingClient(), ServerStreams: kind.IsStreamingServer(),
	}
	opened, err := shelf.NewStream(ctx, &description, path(method))
	must(err)
	return stream{opened, shelf, method}
}

func (one stream) say(json string) {
	must(one.SendMsg(one.shelf.ask(one.method, json)))
}

func (one stream) hear() (*dynamicpb.Message, error) {
	message := dynamicpb.NewMessage(one.shelf.method(one.method).Output())
	return message, one.RecvMsg(message)
}

func field(message *dynamicpb.Message, name string) protoreflect.Value {
	return message.Get(message.Descriptor().Fields().ByName(protoreflect.Name(name)))
}

func unary(ctx context.Context, shelf bookshelf) {
	book, err := shelf.call(ctx, "GetBook", `{"name":"`+tides+`"}`)
	must(err)
	check(field(book, "name").String() == tides, book)
	fmt.Println("unary")
}

func told(ctx context.Context, shelf bookshelf) {
	sent := []byte{0, 255, 7}
	ctx = metadata.AppendToOutgoingContext(
		ctx, "x-echo-word", "light", "x-echo-bytes-bin", string(sent),
	)
	var head metadata.MD
	_, err := shelf.call(ctx, "Ping", `{"text":"hi"}`, grpc.Header(&head))
	must(err)
	check(head.Get("x-echo-word")[0] == "light", head)
	check(bytes.Equal([]byte(head.Get("x-echo-bytes-bin")[0]), sent), head)
	fmt.Println("metadata")
}

func serverStream(ctx context.Context, shelf bookshelf) {
	books := shelf.stream(ctx, "WatchBooks")
	books.say(`{"parent":"shelves/fiction","repeat":500}`)
	must(books.CloseSend())
	count := 0
	for ; ; count++ {
		_, err := books.hear()
		if errors.Is(err, io.EOF) {
			break
		}
		must(err)
	}
	check(count == 1000, count)
	check(books.Trailer().Get("x-bookshelf-sent")[0] == "1000", books.Trailer())
	fmt.Println("server stream")
}

func clientStream(ctx context.Context, shelf bookshelf) {
	books := shelf.stream(ctx, "ImportBooks")
	for number := range 200 {
		books.say(fmt.Sprintf(`{"parent":"shelves/go","book":{"title":"Book %d"}}`, number))
	}
	must(books.CloseSend())
	imported, err := books.hear()
	must(err)
	check(field(imported, "imported").Int() == 200, imported)
	fmt.Println("client stream")
}

func bidi(ctx context.Context, shelf bookshelf) {
	chat := shelf.stream(ctx, "Chat")
	// Each word waits for the answer to the one before: the stream has to be live.
	for number := range 50 {
		chat.say(fmt.Sprintf(`{"book":"%s","text":"%d"}`, tides, number))
		heard, err := chat.hear()
		must(err)
		check(field(heard, "number").Int() == int64(number+1), heard)
	}
	must(chat.CloseSend())
	_, err := chat.hear()
	check(errors.Is(err, io.EOF), err)
	fmt.Println("bidi")
}

func failure(ctx context.Context, shelf bookshelf) {
	_, err := shelf.call(ctx, "Fail", `{"code":9,"message":"not yet: é","details":true}`)
	failed := status.Convert(err)
	check(failed.Code() == codes.FailedPrecondition && failed.Message() == "not yet: é", err)
	info, known := failed.Details()[0].(*errdetails.ErrorInfo)
	check(known && info.Reason == "AS_ASKED", failed.Details())
	fmt.Println("status with details")
}

func deadline(ctx context.Context, shelf bookshelf) {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	_, err := shelf.call(ctx, "Wait", `{"delay":"3600s"}`)
	check(status.Code(err) == codes.DeadlineExceeded, err)
	fmt.Println("deadline")
}

func cancelled(ctx context.Context, shelf bookshelf) {
	ctx, cancel := context.WithCancel(ctx)
	books := shelf.stream(ctx, "WatchBooks")
	books.say(`{"parent":"shelves/science","follow":true}`)
	_, err := books.hear()
	must(err)
	cancel()
	for err == nil {
		_, err = books.hear()
	}
	check(status.Code(err) == codes.Canceled, err)
	fmt.Println("cancelled")
}

func main() {
	shelf := open(os.Args[1], os.Args[2], os.Args[3])
	defer shelf.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, one := range []func(context.Context, bookshelf){
		unary, told, serverStream, clientStream, bidi, failure, deadline, cancelled,
	} {
		one(ctx, shelf)
	}
}
