"""Write what pytest found with the releases that are installed here, for `tests/oldest.sh`, as Markdown.

python tests/releases.py RESULTS.xml [pytest's arguments]
"""

from __future__ import annotations

import platform
import re
import sys
from collections import Counter
from importlib.metadata import requires, version
from pathlib import Path
from xml.etree import ElementTree

import torch

from nasforge.devices.environment import environment
from nasforge.devices.machine import processors

ROOT = Path(__file__).resolve().parents[1]


def main(results: str, *arguments: str) -> None:
    cases = list(ElementTree.parse(results).iter("testcase"))
    suite = next(ElementTree.parse(results).iter("testsuite")).attrib
    failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    skipped = [case.find("skipped") for case in cases if case.find("skipped") is not None]
    reasons = Counter(str(skip.get("message")).replace(str(ROOT.parent), "...") for skip in skipped if skip is not None)
    minutes = float(suite["time"]) / 60
    print(f"# The tests with Python {platform.python_version()} and torch {version('torch')}\n")
    print("Written by `tests/oldest.sh`; do not edit.\n")
    print(f"- Tests: {' '.join(arguments) or 'all'}")
    print(f"- Commit: {environment('cpu', 1)['commit']}")
    print(f"- Date: {suite['timestamp'][:10]}, {minutes:.0f} minutes")
    print(f"- Processor: {processors()} of {platform.machine()}, {torch.backends.cpu.get_cpu_capability()}")
    print(f"- Passed {len(cases) - len(failed) - len(skipped)}, failed {len(failed)}, skipped {len(skipped)}\n")
    _list("Failed", [f"`{case.get('classname')}::{case.get('name')}`" for case in failed])
    _list("Skipped", [f"{count}: {reason}" for reason, count in reasons.most_common()])
    _list("Installed", [f"{name} {version(name)}" for name in _direct()])


def _direct() -> list[str]:
    """Return the names of the packages that nasforge requires, and of those of its extra `test`."""
    needed = requires("nasforge") or ()
    lines = [line for line in needed if re.search("extra == .test.", line) or "extra ==" not in line]
    return sorted(re.split(r"[ <>=!~;\[(]", line)[0] for line in lines)


def _list(title: str, items: list[str]) -> None:
    print(f"## {title}\n")
    print("\n".join(f"- {item}" for item in items or ["none"]), end="\n\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
