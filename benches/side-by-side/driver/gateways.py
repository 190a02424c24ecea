"""How each gateway is started: one thread, its defaults wherever a call doesn't need more."""

import dataclasses
import json
import os
import pathlib
import shlex

from . import features
from .setting import Setting

# Large enough for the largest message, twice.
BUFFER = 16 << 20

@dataclasses.dataclass(frozen=True)
class Programs:
    transom: pathlib.Path
    tools: pathlib.Path
    envoy: pathlib.Path | None = None
    nginx: pathlib.Path | None = None
    # An older build of Transom, to be compared with.
    base: pathlib.Path | None = None


def command(name: str, own: dict[str, str], programs: Programs, setting: Setting) -> list[str]:
    """What starts a gateway in the foreground."""
    if name in own:
        return shlex.split(
            own[name].format(
                port=setting.port,
                backend=setting.backend,
                descriptor=setting.descriptor,
                services=",".join(setting.services),
            )
        )
    if name in features.FEATURES:
        return features.configured(programs.transom, name, setting)
    if name == features.BASE:
        return features.plain(programs.base, setting)
    return {"transom": transom, features.PLAIN: transom, "envoy": envoy, "nginx": nginx, "relay": relay}[name](programs, setting)


def transom(programs: Programs, setting: Setting) -> list[str]:
    return features.plain(programs.transom, setting)


def relay(programs: Programs, setting: Setting) -> list[str]:
    return [str(programs.tools), "relay", f"127.0.0.1:{setting.port}", setting.backend]


def typed(name: str, **members: object) -> dict:
    return {"@type": f"type.googleapis.com/envoy.extensions.{name}", **members}


def socket(address: str) -> dict:
    host, port = address.rsplit(":", 1)
    return {"address": {"socket_address": {"address": host, "port_value": int(port)}}}


def filters(setting: Setting) -> list[dict]:
    """What Envoy does on the way, but for the router."""
    if setting.door == "rest":
        transcoder = typed(
            "filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder",
            proto_descriptor=str(setting.descriptor),
            services=setting.services,
        )
        return [{"name": "transcoder", "typed_config": transcoder}]
    if setting.door == "grpc_web":
        return [{"name": "grpc_web", "typed_config": typed("filters.http.grpc_web.v3.GrpcWeb")}]
    return []


def envoy(programs: Programs, setting: Setting) -> list[str]:
    router = {"name": "router", "typed_config": typed("filters.http.router.v3.Router")}
    everything = {"match": {"prefix": "/"}, "route": {"cluster": "backend"}}
    hosts = [{"name": "all", "domains": ["*"], "routes": [everything]}]
    http = typed(
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="in",
        codec_type="AUTO",
        route_config={"virtual_hosts": hosts},
        http_filters=[*filters(setting), router],
    )
    listener = {
        "name": "in",
        **socket(f"127.0.0.1:{setting.port}"),
        "per_connection_buffer_limit_bytes": BUFFER,
        "filter_chains": [{"filters": [{"name": "http", "typed_config": http}]}],
    }
    protocol = typed(
        "upstreams.http.v3.HttpProtocolOptions",
        explicit_http_config={"http2_protocol_options": {}},
    )
    endpoint = {"endpoint": socket(setting.backend)}
    cluster = {
        "name": "backend",
        "type": "STATIC",
        "per_connection_buffer_limit_bytes": BUFFER,
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": protocol
        },
        "load_assignment": {"cluster_name": "backend", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    path = setting.folder / "envoy.json"
    resources = {"listeners": [listener], "clusters": [cluster]}
    path.write_text(json.dumps({"static_resources": resources}))
    return [
        str(programs.envoy), "--config-path", str(path), "--concurrency", "1",
        "--disable-hot-restart", "--log-level", "error",
    ]  # fmt: skip


NGINX = """
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_max_body_size 16m;
    {temporary}
    upstream backend {{
        server {backend};
        keepalive 256;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port} http2;
        location / {{ grpc_pass grpc://backend; }}
    }}
}}
"""


def nginx(programs: Programs, setting: Setting) -> list[str]:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    path = setting.folder / "nginx.conf"
    path.write_text(
        NGINX.format(
            # Its workers have to write into the folder.
            user="user root;" if os.geteuid() == 0 else "",
            folder=setting.folder,
            temporary=" ".join(f"{kind}_temp_path {setting.folder}/{kind};" for kind in kinds),
            backend=setting.backend,
            port=setting.port,
        )
    )
    return [str(programs.nginx), "-p", str(setting.folder), "-c", str(path)]
