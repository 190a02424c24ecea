"""Processes pinned to a CPU, and what they have used."""

import contextlib
import http.client
import os
import pathlib
import resource
import socket
import subprocess
import time

# The gateway has its CPU alone; where there is but one, figures mean little.
GATEWAY_CPU = 0
LOAD_CPU = min(1, (os.cpu_count() or 1) - 1)

PATIENCE = 60.0

# Where it is allowed (root), so that a machine with other work to do leaves them a CPU each.
NICENESS = -15


class Failure(Exception):
    """A gateway that doesn't start, or answers wrongly."""


def raise_limits() -> None:
    """As many open files as are allowed: a gateway holds thousands of connections."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def settle(cpu: int | None) -> None:
    """What a new process does before it becomes its program."""
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    # A session of its own: where the kernel shares time among sessions first, niceness counts only
    # for a session as a whole.
    os.setsid()
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
        pathlib.Path("/proc/self/autogroup").write_text(str(NICENESS))


@contextlib.contextmanager
def started(command: list[str], cpu: int | None, log: pathlib.Path, **options: object):
    """A process on a CPU, or on any of them; ended when the block ends."""
    with open(log, "ab") as output:
        process = subprocess.Popen(
            command,
            stderr=output,
            stdout=options.pop("stdout", output),
            preexec_fn=lambda: settle(cpu),
            **options,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for_port(process: subprocess.Popen, port: int, log: pathlib.Path) -> None:
    """Until somebody listens."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if process.poll() is not None:
            raise Failure(f"exit status {process.returncode}: {log.read_text()[-500:]}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.002)
    raise Failure("doesn't listen")


def wait_for_answer(port: int, path: str) -> None:
    """Until a GET is answered with 200."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return
        time.sleep(0.001)
    raise Failure("doesn't answer")


def family(process: subprocess.Popen) -> list[int]:
    """A process and its children."""
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [process.pid, *map(int, children.split())]


def cpu_seconds(processes: list[int]) -> float:
    paths = [path for pid in processes for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")]
    return sum(int(path.read_text().split()[0]) for path in paths) / 1e9


def resident_kib(processes: list[int]) -> int:
    def of_one(pid: int) -> int:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    return sum(map(of_one, processes))
