"""What is measured, in the order of the page; the calls themselves are in tools/workload.rs."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Workload:
    name: str
    title: str
    # How the gateways are set up: `rest`, `grpc` or `grpc_web`.
    door: str
    # The gateways that can do it, without those of the command line.
    gateways: tuple[str, ...]
    # What one call is.
    unit: str = "call"


REST = ("transom", "envoy")
GRPC = ("transom", "envoy", "nginx", "relay")

WORKLOADS = (
    Workload("get_item", "GET, 300 bytes of JSON back; HTTP/1.1, 64 connections", "rest", REST),
    Workload("get_item_h2", "The same over HTTP/2, 8 connections with 8 streams", "rest", REST),
    Workload("create", "POST, 1 KB of JSON in and out; 64 connections", "rest", REST),
    Workload("list", "GET, a list of 500, 150 KB of JSON back; 16 connections", "rest", REST),
    Workload("stream", "GET, a stream of 1,000 messages as JSON; 16 connections", "rest", REST),
    Workload("echo", "POST, 900 KB of JSON in and out; 4 connections", "rest", REST),
    Workload("grpc_unary", "gRPC, 1 KB in and out; 8 connections with 8 streams", "grpc", GRPC),
    Workload("grpc_stream", "gRPC, a stream of 1,000 messages; 4 connections with 4 streams", "grpc", GRPC),
    Workload("grpc_web", "gRPC-Web over HTTP/1.1, 1 KB in and out; 64 connections", "grpc_web", REST),
    Workload(
        "websocket",
        "WebSocket, JSON messages of 100 bytes to a method that says them back; "
        "8 connections with 8 on their way",
        "rest",
        ("transom",),
        "message there and back",
    ),
)

# What isn't a matter of calls alone.
OTHERS = ("latency", "routes", "idle")

NAMES = tuple(workload.name for workload in WORKLOADS) + OTHERS
