"""What each feature of Transom costs: builds and configurations of it side by side."""

import json
import pathlib

from .setting import Setting

# A configuration that answers as the plain command does, and what each feature adds to it: to the
# upstream, to the policy, and to the whole. `two` says that there are two endpoints, which are one
# backend by two names, so that there is something to choose from.
FEATURES: dict[str, dict] = {
    "nothing": {},
    "round_robin": {"two": True, "upstream": {"balance": "round_robin"}},
    "least_request": {"two": True, "upstream": {"balance": "least_request"}},
    "ewma": {"two": True, "upstream": {"balance": "ewma"}},
    "outlier": {"upstream": {"outlier": {}}},
    "breaker": {"upstream": {"breaker": {"max_requests": 10_000, "max_pending": 10_000}}},
    "health": {"upstream": {"health": {}}},
    "retry": {"policy": {"retry": {}}},
    "per_try_timeout": {"policy": {"retry": {"per_try_timeout": "5s"}}},
    "hedge": {"policy": {"retry": {"hedge": {"delay": "1s"}}}},
    "admission": {"policy": {"admission": {"initial_limit": 1000}}},
    "metrics": {"admin": True},
    "access_log": {"whole": {"access_log": True}},
    "everything": {
        "two": True,
        "upstream": {
            "balance": "least_request",
            "outlier": {},
            "health": {},
            "breaker": {"max_requests": 10_000, "max_pending": 10_000},
        },
        "policy": {"retry": {}},
        "admin": True,
    },
    "two_workers": {"whole": {"workers": 2}},
    "everything_two_workers": {"like": "everything", "whole": {"workers": 2}},
}

# Whom policies are for.
CATALOGUE_METHODS = "catalogue.v1.*"

# What the others are compared with.
PLAIN = "plain"
BASE = "base"

# These have two threads, and so both CPUs.
TWO_WORKERS = ("two_workers", "everything_two_workers")


def plain(program: pathlib.Path, setting: Setting) -> list[str]:
    """With flags alone, which every build understands."""
    return [
        str(program), "serve", "--workers", "1",
        "--listen", f"127.0.0.1:{setting.port}",
        "--upstream", setting.backend,
        "--descriptor-set", str(setting.descriptor),
    ]  # fmt: skip


def configured(program: pathlib.Path, name: str, setting: Setting) -> list[str]:
    """With a configuration in which one thing is switched on."""
    feature = FEATURES[name]
    feature = FEATURES[feature["like"]] | feature if "like" in feature else feature
    port = setting.backend.rsplit(":", 1)[1]
    endpoints = [f"http://{setting.backend}"]
    if feature.get("two"):
        endpoints.append(f"http://localhost:{port}")
    configuration = {
        "listen": [{"address": f"127.0.0.1:{setting.port}"}],
        "workers": 1,
        "schema": [{"descriptor_set": str(setting.descriptor)}],
        "upstreams": {"backend": {"endpoints": endpoints} | feature.get("upstream", {})},
        "services": {CATALOGUE_METHODS: {"upstream": "backend"} | feature.get("policy", {})},
    }
    if feature.get("admin"):
        configuration["admin"] = {"address": "127.0.0.1:0"}
    path = setting.folder / "transom.yaml"
    # JSON is YAML.
    path.write_text(json.dumps(configuration | feature.get("whole", {}), indent=1))
    return [str(program), "serve", "--config", str(path)]
