"""A gRPC client in Python that knows nothing but the gateway's address and whom to trust.

    client.py ADDRESS ROOTS.pem

It asks the gateway for health and, by reflection, for the schema; from that it builds its messages
and calls methods of all four kinds. Prints a line for each thing that holds, and fails loudly.
"""

import pathlib
import queue
import sys

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

SERVICE = "bookshelf.v1.Bookshelf"
TIDES = "shelves/science/books/tides"
PATIENCE = 30


def done(what: str) -> None:
    print(what, flush=True)


class Bookshelf:
    """The service as reflection tells of it."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        database = ProtoReflectionDescriptorDatabase(channel)
        assert SERVICE in database.get_services(), database.get_services()
        pool = descriptor_pool.DescriptorPool(database)
        self.service = pool.FindServiceByName(SERVICE)

    def ask(self, method: str, /, **fields):
        """A request of a method."""
        asked = self.service.FindMethodByName(method).input_type
        return message_factory.GetMessageClass(asked)(**fields)

    def call(self, name: str):
        """What calls a method of any kind."""
        method = self.service.FindMethodByName(name)
        kind = {
            (False, False): "unary_unary",
            (False, True): "unary_stream",
            (True, False): "stream_unary",
            (True, True): "stream_stream",
        }[method.client_streaming, method.server_streaming]
        return getattr(self.channel, kind)(
            f"/{SERVICE}/{name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
        )


def check_health(channel: grpc.Channel) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    for service in ("", SERVICE):
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=PATIENCE)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING, answer
    try:
        stub.Check(health_pb2.HealthCheckRequest(service="nobody"), timeout=PATIENCE)
        raise AssertionError("an unknown service is healthy")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND, error
    done("health")


def check_unary(shelf: Bookshelf) -> None:
    book, call = shelf.call("GetBook").with_call(
        shelf.ask("GetBook", name=TIDES),
        timeout=PATIENCE,
        metadata=(("x-echo-text", "one"), ("x-echo-raw-bin", b"\x00\xff")),
    )
    assert book.name == TIDES, book
    metadata = dict(call.initial_metadata())
    assert metadata["x-echo-text"] == "one", metadata
    assert metadata["x-echo-raw-bin"] == b"\x00\xff", metadata
    done("unary")


def check_server_stream(shelf: Bookshelf) -> None:
    ask = shelf.ask("WatchBooks", parent="shelves/fiction", repeat=500)
    books = shelf.call("WatchBooks")(ask, timeout=PATIENCE)
    assert sum(1 for _ in books) == 1000
    assert dict(books.trailing_metadata())["x-bookshelf-sent"] == "1000"
    done("server stream")


def check_client_stream(shelf: Bookshelf) -> None:
    asks = (
        shelf.ask("ImportBooks", parent="shelves/python", book={"title": f"Book {number}"})
        for number in range(200)
    )
    imported = shelf.call("ImportBooks")(asks, timeout=PATIENCE)
    assert imported.imported == 200 and len(imported.names) == 200, imported
    done("client stream")


def check_bidi(shelf: Bookshelf) -> None:
    # Each word waits for the answer to the one before: the stream has to be live.
    words = queue.Queue()
    answers = shelf.call("Chat")(iter(words.get, None), timeout=PATIENCE)
    for number in range(1, 51):
        words.put(shelf.ask("Chat", book=TIDES, text=str(number)))
        answer = next(answers)
        assert (answer.text, answer.number) == (str(number), number), answer
    words.put(None)
    assert next(answers, None) is None
    done("bidi")


def check_failures(shelf: Bookshelf) -> None:
    ask = shelf.ask("Fail", code=9, message="not yet: é", details=True)
    try:
        shelf.call("Fail")(ask, timeout=PATIENCE)
        raise AssertionError("it did not fail")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.FAILED_PRECONDITION, error
        assert error.details() == "not yet: é", error
        assert b"AS_ASKED" in dict(error.trailing_metadata())["grpc-status-details-bin"]
    done("status with details")
    books = shelf.call("WatchBooks")(
        shelf.ask("WatchBooks", parent="shelves/fiction", fail_after=1), timeout=PATIENCE
    )
    assert next(books).name
    try:
        next(books)
        raise AssertionError("it did not fail")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.UNAVAILABLE, error
    done("late failure")
    ask = shelf.ask("Wait", delay={"seconds": 3600})
    try:
        shelf.call("Wait")(ask, timeout=0.5)
        raise AssertionError("it did not pass its deadline")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
    done("deadline")
    books = shelf.call("WatchBooks")(
        shelf.ask("WatchBooks", parent="shelves/fiction", follow=True), timeout=PATIENCE
    )
    assert next(books).name
    books.cancel()
    done("cancelled")


def main() -> None:
    address, roots = sys.argv[1:]
    credentials = grpc.ssl_channel_credentials(pathlib.Path(roots).read_bytes())
    with grpc.secure_channel(address, credentials) as channel:
        check_health(channel)
        shelf = Bookshelf(channel)
        done("reflection")
        check_unary(shelf)
        check_server_stream(shelf)
        check_client_stream(shelf)
        check_bidi(shelf)
        check_failures(shelf)


if __name__ == "__main__":
    main()
