"""Compares what h2spec found with what it is expected to find.

judge.py EXPECTED SELECTED REPORT...: fails on a failure that is not listed, on one that is listed and
passes, and on a report with too few tests (unless SELECTED options chose some of them).
"""

import pathlib
import sys
import xml.etree.ElementTree

# The suite has 146 tests, strict ones included.
WHOLE = 146


def cases(report):
    """Name and outcome of every test of a report."""
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        name = f"{report.stem} {case.get('package')} {case.get('classname')}"
        failed = case.find("failure") is not None or case.find("error") is not None
        yield name, failed


def main(expected, selected, *reports):
    lines = pathlib.Path(expected).read_text().splitlines()
    expected = {line for line in lines if line and not line.startswith("#")}
    sound = True
    for report in map(pathlib.Path, reports):
        outcome = dict(cases(report))
        failed = {name for name, fails in outcome.items() if fails}
        for name in sorted(failed - expected):
            print(f"FAILED: {name}")
        for name in sorted((expected - failed) & outcome.keys()):
            print(f"PASSED, but is listed: {name}")
        whole = len(outcome) >= WHOLE or int(selected) > 0
        if not whole:
            print(f"only {len(outcome)} tests of {WHOLE} ran")
        sound = sound and whole and failed == expected & outcome.keys()
        print(f"h2spec, {report.stem}: {len(outcome)} tests, {len(failed)} failed")
    return 0 if sound else 1


sys.exit(main(*sys.argv[1:]))
