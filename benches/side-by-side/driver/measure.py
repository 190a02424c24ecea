"""The measurements: gateways side by side, in rounds that are interleaved.

The main figure is the CPU time of the gateway's processes for a call. It means something on a
machine that does other work too, and where the load is slower than the gateway. Ratios are taken
within a round and their median over the rounds, so that what slows a round slows both sides of it.
"""

import contextlib
import dataclasses
import fcntl
import json
import pathlib
import shutil
import statistics
import subprocess
import time

from . import features, gateways, process, workloads
from .process import Failure
from .setting import Setting

# What others are measured against, where they take part.
BASES = ("envoy", "relay", features.PLAIN, features.BASE)


@dataclasses.dataclass
class Bench:
    programs: gateways.Programs
    # Names of the gateways to measure, and commands of those that aren't ours.
    names: list[str]
    own: dict[str, str]
    rounds: int
    seconds: float
    folder: pathlib.Path
    lock: pathlib.Path | None = None
    failed: bool = False

    def taking_part(self, able: tuple[str, ...]) -> list[str]:
        ours = (features.PLAIN, features.BASE, *features.FEATURES)
        return [name for name in self.names if name in (*able, *ours) or name in self.own]

    def complain(self, what: str, error: object) -> str:
        self.failed = True
        print(f"  FAILED: {what}: {error}", flush=True)
        return str(error)

    @contextlib.contextmanager
    def alone(self):
        """Keeps others who measure on this machine away."""
        if self.lock is None:
            yield
            return
        with open(self.lock, "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def descriptor(self, methods: int) -> pathlib.Path:
        path = self.folder / f"catalogue-{methods}.binpb"
        subprocess.run([self.programs.tools, "schema", path, f"--methods={methods}"], check=True)
        return path

    @contextlib.contextmanager
    def backend(self):
        """The backend; gives its process and its address."""
        command = [str(self.programs.tools), "backend"]
        log = self.folder / "backend.log"
        options = {"stdout": subprocess.PIPE, "text": True}
        with process.started(command, process.LOAD_CPU, log, **options) as running:
            yield running, running.stdout.readline().strip()

    @contextlib.contextmanager
    def gateway(self, name: str, door: str, backend: str, methods: int = 0):
        """A gateway that listens; gives its process, its port and how long it took to be there."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        descriptor = self.descriptor(methods)
        services = -(-methods // 100)
        port = process.free_port()
        setting = Setting(door, port, backend, descriptor, services, folder)
        command = gateways.command(name, self.own, self.programs, setting)
        start = time.monotonic()
        log = folder / "log"
        cpu = None if name in features.TWO_WORKERS else process.GATEWAY_CPU
        with process.started(command, cpu, log) as running:
            process.wait_for_port(running, port, log)
            yield running, port, start

    def load(self, workload: str, running: subprocess.Popen, port: int, backend: int, *more: str) -> dict:
        """One measurement."""
        command = [
            str(self.programs.tools), "load", workload, f"127.0.0.1:{port}",
            f"--backend={backend}", f"--seconds={self.seconds}",
            f"--warm-up={min(0.5, self.seconds)}", *more,
            *(f"--gateway={pid}" for pid in process.family(running)),
        ]  # fmt: skip
        with self.alone():
            log = self.folder / "load.log"
            log.unlink(missing_ok=True)
            with process.started(command, process.LOAD_CPU, log, stdout=subprocess.PIPE) as caller:
                output = caller.stdout.read()
                status = caller.wait()
        if status != 0:
            raise Failure(log.read_text().strip()[:500])
        return json.loads(output)


def interleaved(bench: Bench, names: list[str], measure) -> dict[str, list[dict] | str]:
    """Rounds of `measure(name)`, each gateway in each round; a text where one failed."""
    results: dict[str, list[dict] | str] = {name: [] for name in names}
    for number in range(bench.rounds):
        # Another goes first each time.
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            if isinstance(results[name], str):
                continue
            try:
                results[name].append(measure(name))
            except Failure as error:
                results[name] = bench.complain(name, error)
    return results


def summary(results: dict[str, list[dict] | str]) -> dict[str, dict]:
    """Medians of each gateway, and of its ratios to the bases."""
    found = {}
    for name, rounds in results.items():
        if isinstance(rounds, str):
            found[name] = {"error": rounds}
            continue
        keys = [key for key in rounds[0] if all(one[key] is not None for one in rounds)]
        found[name] = {key: statistics.median(one[key] for one in rounds) for key in keys}
        found[name]["ratios"] = {
            base: statistics.median(
                one["cpu_us"] / other["cpu_us"] for one, other in zip(rounds, results[base])
            )
            for base in BASES
            if isinstance(results.get(base), list) and "cpu_us" in rounds[0]
        }
    return found


def calls(bench: Bench, workload: workloads.Workload) -> dict:
    """A workload, as many calls as are answered."""
    return rounds_of(bench, workload.name, workload.door, bench.taking_part(workload.gateways))


def rounds_of(bench: Bench, workload: str, door: str, names: list[str], *more: str) -> dict:
    with contextlib.ExitStack() as stack:
        backend, address = stack.enter_context(bench.backend())
        up = {}
        for name in list(names):
            try:
                up[name] = stack.enter_context(bench.gateway(name, door, address))
            except Failure as error:
                up[name] = error

        def measure(name: str) -> dict:
            if isinstance(up[name], Failure):
                raise up[name]
            running, port, _ = up[name]
            return bench.load(workload, running, port, backend.pid, *more)

        return summary(interleaved(bench, names, measure))


def latency(bench: Bench) -> dict:
    """Calls at fixed rates."""
    names = bench.taking_part(workloads.REST)
    return {
        str(rate): rounds_of(bench, "get_item", "rest", names, f"--rate={rate}", "--connections=16")
        for rate in (1000, 4000)
    }


def routes(bench: Bench) -> dict:
    """Starting, memory and calls with few and many routes."""
    return {str(methods): with_routes(bench, methods) for methods in (0, 10_000)}


def with_routes(bench: Bench, methods: int) -> dict:
    with bench.backend() as (backend, address):

        def measure(name: str) -> dict:
            with bench.alone():
                entered = bench.gateway(name, "rest", address, methods)
                running, port, start = entered.__enter__()
            try:
                process.wait_for_answer(port, "/v1/shops/harbour-street/items/item-000007")
                family = process.family(running)
                taken = {
                    "start_ms": (time.monotonic() - start) * 1000,
                    "start_cpu_ms": process.cpu_seconds(family) * 1000,
                    "resident_kib": process.resident_kib(family),
                }
                return taken | bench.load("get_item", running, port, backend.pid)
            finally:
                entered.__exit__(None, None, None)

        return summary(interleaved(bench, bench.taking_part(workloads.REST), measure))


def idle(bench: Bench, connections: int) -> dict:
    """Memory that a connection takes that has been called on once."""
    with bench.backend() as (_, address):

        def measure(name: str) -> dict:
            with bench.gateway(name, "rest", address) as (running, port, _):
                hold(bench, port, 50, lambda: None)
                family = process.family(running)
                before = process.resident_kib(family)
                after = hold(bench, port, connections, lambda: process.resident_kib(family))
                return {"before_kib": before, "after_kib": after, "each_kib": (after - before) / connections}

        once = dataclasses.replace(bench, rounds=1)
        found = summary(interleaved(once, bench.taking_part(workloads.REST), measure))
        bench.failed |= once.failed
        return found


def hold(bench: Bench, port: int, connections: int, look):
    """Opens connections, looks while they are open."""
    command = [str(bench.programs.tools), "hold", f"127.0.0.1:{port}", str(connections)]
    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    log = bench.folder / "hold.log"
    log.unlink(missing_ok=True)
    with process.started(command, process.LOAD_CPU, log, **options) as holder:
        if holder.stdout.readline() != "ready\n":
            raise Failure(log.read_text().strip()[:500])
        seen = look()
        holder.stdin.close()
        holder.wait()
        return seen
