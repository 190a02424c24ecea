"""Envoy's external authorization service in Python: a bearer token is the caller's name.

Compiles src/callout/proto into a folder of its own, prints its port as the first line of standard output,
and serves until its standard input ends, so that it never outlives its test.
"""

import concurrent.futures
import pathlib
import sys
import tempfile

import grpc
import grpc_tools.protoc

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FILES = [
    "envoy/config/core/v3/base.proto",
    "envoy/service/auth/v3/external_auth.proto",
    "envoy/type/v3/http_status.proto",
    "google/rpc/status.proto",
]


def generate(folder: str) -> None:
    """Compiles the .proto files into Python modules below a folder."""
    bundled = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    paths = [ROOT / "src/callout/proto", ROOT / "proto", bundled]
    status = grpc_tools.protoc.main(
        [
            "protoc",
            *[f"--proto_path={path}" for path in paths],
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


def serve() -> None:
    from envoy.config.core.v3 import base_pb2
    from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc

    def option(key: str, value: str) -> base_pb2.HeaderValueOption:
        return base_pb2.HeaderValueOption(header=base_pb2.HeaderValue(key=key, value=value))

    class Authorization(external_auth_pb2_grpc.AuthorizationServicer):
        def Check(self, request, context):
            http = request.attributes.request.http
            answer = external_auth_pb2.CheckResponse()
            token = http.headers.get("authorization", "")
            if token.startswith("Bearer "):
                answer.status.code = 0
                answer.ok_response.headers.append(option("x-echo-user", token[7:]))
                return answer
            answer.status.code = grpc.StatusCode.UNAUTHENTICATED.value[0]
            answer.denied_response.status.code = 401
            answer.denied_response.headers.append(option("www-authenticate", "Bearer"))
            answer.denied_response.body = f"no token for {http.method} {http.path}"
            return answer

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=4))
    external_auth_pb2_grpc.add_AuthorizationServicer_to_server(Authorization(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(None)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        generate(folder)
        serve()


if __name__ == "__main__":
    main()
