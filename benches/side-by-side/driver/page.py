"""Tables as Markdown, on the screen and in the page; the page and the README's part of it are
written from figures.json, so that they can't say anything that wasn't measured."""

import json
import pathlib
import re
import sys

from .setup import ROOT
from .measure import BASES
from .workloads import WORKLOADS, Workload

FOLDER = pathlib.Path(__file__).resolve().parents[1]
FIGURES = FOLDER / "figures.json"
PAGE = FOLDER / "README.md"
README = ROOT / "README.md"

# The versions that are told.
PEERS = {"envoy": "Envoy", "nginx": "nginx"}

# Around the README's part.
MARKS = ("<!-- measured: written by benches/side-by-side/run -->\n", "<!-- end of measured -->\n")


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table that can be read as it stands."""
    widths = [max(len(row[at]) for row in [head, *rows]) for at in range(len(head))]

    def line(cells: list[str]) -> str:
        padded = [cells[0].ljust(widths[0])]
        padded += [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:])]
        return "| " + " | ".join(padded) + " |"

    rule = "|" + "|".join("-" * (width + 1) + ("-" if at == 0 else ":") for at, width in enumerate(widths)) + "|"
    return "\n".join([line(head), rule, *map(line, rows)]) + "\n"


def number(value: float | None) -> str:
    """With as many digits as mean something."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def ratio(of: dict, base: str) -> str:
    value = of.get("ratios", {}).get(base)
    return f"{value:.3f}" if value is not None else "-"


def bases(figures: dict) -> list[str]:
    """What the others are compared with."""
    found = {base for of in figures.values() for base in of.get("ratios", {})}
    return [base for base in BASES if base in found]


def calls(workload: Workload, figures: dict) -> str:
    against = bases(figures)
    head = ["", f"CPU µs a {workload.unit}", *(f"× {base}" for base in against),
            "calls/s", "busy", "p50 ms", "p99 ms", "peak MiB"]  # fmt: skip
    rows = []
    for name, of in figures.items():
        if "error" in of:
            rows.append([name, "wrong", *["-"] * (len(head) - 2)])
            continue
        times = [of[key] / 1000 if key in of else None for key in ("p50_us", "p99_us")]
        rows.append([
            name, number(of["cpu_us"]), *(ratio(of, base) for base in against),
            number(of["calls"] / of["seconds"]), f"{of['busy']:.0%}",
            *map(number, times), number(of["peak_kib"] / 1024),
        ])  # fmt: skip
    text = f"\n### `{workload.name}`\n\n{workload.title}.\n\n" + table(head, rows)
    own = figures.get("transom", {})
    if workload.name == "websocket" and "cpu_us" in own:
        each = 1e6 / own["cpu_us"]
        text += f"\nThat is {each:,.0f} messages in and as many out in a second of one CPU.\n"
    return text


def latency(figures: dict) -> str:
    head = ["calls/s", "", "p50 µs", "p99 µs", "CPU µs a call", "× envoy"]
    rows = [
        [f"{int(rate):,}", name, number(of.get("p50_us")), number(of.get("p99_us")),
         number(of.get("cpu_us")), ratio(of, "envoy")]
        for rate, gateways in figures.items() for name, of in gateways.items()
    ]  # fmt: skip
    return (
        "\n### `latency`\n\n`get_item` at a fixed rate over 16 connections, timed from when a call "
        "was due; latency on a shared machine is the machine's too.\n\n" + table(head, rows)
    )


def routes(figures: dict) -> str:
    head = ["more routes", "", "start ms", "CPU of it ms", "RSS MiB", "get_item CPU µs", "× envoy"]
    rows = [
        [f"{int(methods):,}", name, number(of.get("start_ms")), number(of.get("start_cpu_ms")),
         number(of["resident_kib"] / 1024 if "resident_kib" in of else None),
         number(of.get("cpu_us")), ratio(of, "envoy")]
        for methods, gateways in figures.items() for name, of in gateways.items()
    ]  # fmt: skip
    return (
        "\n### `routes`\n\nFrom the start of the process to its first right answer, and `get_item` "
        "then.\n\n" + table(head, rows)
    )


def idle(figures: dict) -> str:
    head = ["", "RSS MiB without", "RSS MiB with", "KiB a connection"]
    rows = [
        [name, *(number(of[key] / 1024) for key in ("before_kib", "after_kib")), number(of["each_kib"])]
        if "error" not in of
        else [name, "-", "-", "-"]
        for name, of in figures.items()
    ]
    return "\n### `idle`\n\nConnections that are kept after one call each.\n\n" + table(head, rows)


def record(run: dict, found: dict) -> None:
    """Puts figures in place of those of the same workloads, and writes the page."""
    known = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    for name, figures in found.items():
        known[name] = {"run": run, "figures": figures}
    FIGURES.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n")
    write()


def facts(known: dict) -> str:
    """When, on what, of which versions: a line for each run that is in the figures."""
    runs = {}
    for name, of in known.items():
        runs.setdefault(json.dumps(of["run"]), []).append(name)
    lines = []
    for text, names in runs.items():
        run = json.loads(text)
        which = "" if len(runs) == 1 else ", ".join(f"`{name}`" for name in names) + ": "
        peers = ", ".join(f"{title} {run[key]}" for key, title in PEERS.items() if key in run)
        lines.append(
            f"- {which}{run['date']}, {run['processor']}, {run['kernel']}, Transom at "
            f"`{run['transom']}` (rustc {run['rustc']}), {peers}; {run['rounds']} rounds of "
            f"{run['seconds']:g} s{'; ' + run['note'] if 'note' in run else ''}.\n"
        )
    return "".join(lines)


def whole_page() -> str:
    known = json.loads(FIGURES.read_text())
    text = (FOLDER / "page.md").read_text().replace("{facts}\n", facts(known))
    sections = [
        calls(workload, known[workload.name]["figures"])
        for workload in WORKLOADS
        if workload.name in known
    ]
    others = {"latency": latency, "routes": routes, "idle": idle}
    sections += [make(known[name]["figures"]) for name, make in others.items() if name in known]
    return text + "".join(sections)


def readme_part() -> str:
    """The ratios alone."""
    known = json.loads(FIGURES.read_text())
    rows = []
    for workload in WORKLOADS:
        of = known.get(workload.name, {}).get("figures", {})
        own = of.get("transom", {})
        if "cpu_us" in own:
            peers = [number(of.get(name, {}).get("cpu_us")) for name in ("envoy", "nginx", "relay")]
            title = workload.title.split(";")[0]
            rows.append([title, number(own["cpu_us"]), *peers, ratio(own, "envoy"), ratio(own, "relay")])
    head = ["CPU µs a call", "Transom", "Envoy", "nginx", "bare relay", "÷ Envoy", "÷ relay"]
    return table(head, rows)


def whole_readme() -> str:
    text = README.read_text()
    pattern = re.escape(MARKS[0]) + ".*" + re.escape(MARKS[1])
    part = MARKS[0] + readme_part() + MARKS[1]
    return re.sub(pattern, lambda _: part, text, flags=re.DOTALL)


def write() -> int:
    PAGE.write_text(whole_page())
    README.write_text(whole_readme())
    return 0


def check() -> int:
    """Whether both pages say what the figures say."""
    wrong = [path for path, text in ((PAGE, whole_page()), (README, whole_readme())) if path.read_text() != text]
    for path in wrong:
        name = path.relative_to(ROOT)
        print(f"{name} isn't what figures.json says; benches/side-by-side/run --page write mends it", file=sys.stderr)
    return 1 if wrong else 0
