"""A gRPC server in Python with reflection and health, in front of which the tests put the gateway.

Compiles kinds.proto into a folder of its own, prints its port as the first line of standard
output, and serves until its standard input ends, so that it never outlives its test.
"""

import concurrent.futures
import pathlib
import sys
import tempfile

import grpc
import grpc_tools.protoc
from google.protobuf import any_pb2, duration_pb2, json_format
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

HERE = pathlib.Path(__file__).resolve().parent
PROTOS = HERE.parent.parent / "proto"
FILES = [
    "google/api/annotations.proto",
    "google/api/http.proto",
    "google/rpc/error_details.proto",
    "google/rpc/status.proto",
    "kinds.proto",
]


def generate(folder: str) -> None:
    """Compiles the .proto files into Python modules below a folder."""
    bundled = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    status = grpc_tools.protoc.main(
        [
            "protoc",
            f"--proto_path={HERE}",
            f"--proto_path={PROTOS}",
            f"--proto_path={bundled}",
            f"--python_out={folder}",
            f"--grpc_python_out={folder}",
            *FILES,
        ]
    )
    if status != 0:
        sys.exit("protoc failed")
    # `google` is the package of protobuf itself, so that the modules below it have to join it.
    sys.path.insert(0, folder)
    import google

    google.__path__.append(f"{folder}/google")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        generate(folder)
        serve()


def serve() -> None:
    import kinds_pb2
    import kinds_pb2_grpc
    from google.rpc import error_details_pb2, status_pb2

    def packed(message) -> any_pb2.Any:
        wrapped = any_pb2.Any()
        wrapped.Pack(message)
        return wrapped

    class Kinds(kinds_pb2_grpc.KindsServicer):
        def Echo(self, request, context):
            return request

        def Describe(self, request, context):
            return kinds_pb2.Described(json=json_format.MessageToJson(request))

        def Count(self, request, context):
            context.send_initial_metadata((("x-counting", "up"),))
            for value in range(1, request.value + 1):
                yield kinds_pb2.Number(value=value)
            context.set_trailing_metadata((("x-counted", str(request.value)),))

        def Sum(self, numbers, context):
            return kinds_pb2.Number(value=sum(number.value for number in numbers))

        def Talk(self, numbers, context):
            for number in numbers:
                yield kinds_pb2.Number(value=2 * number.value)

        def Fail(self, request, context):
            details = [
                packed(error_details_pb2.ErrorInfo(reason="ASKED", domain="kinds.v1")),
                packed(error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=3))),
                packed(kinds_pb2.Number(value=request.value)),
            ]
            status = status_pb2.Status(code=request.value, message="as asked", details=details)
            binary = ("grpc-status-details-bin", status.SerializeToString())
            context.set_trailing_metadata((binary,))
            code = next(code for code in grpc.StatusCode if code.value[0] == request.value)
            context.abort(code, "as asked")

        def Seen(self, request, context):
            pairs = {}
            for name, value in context.invocation_metadata():
                text = value.hex() if isinstance(value, bytes) else value
                pairs[name] = f"{pairs[name]},{text}" if name in pairs else text
            return kinds_pb2.Metadata(pairs=pairs)

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=8))
    kinds_pb2_grpc.add_KindsServicer_to_server(Kinds(), server)
    checks = health.HealthServicer()
    checks.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    name = kinds_pb2.DESCRIPTOR.services_by_name["Kinds"].full_name
    reflection.enable_server_reflection((name, reflection.SERVICE_NAME), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(None)


if __name__ == "__main__":
    main()
