"""`nasforge doctor`: check this machine, and say how to fix what is missing."""

from __future__ import annotations

import shutil
import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from nasforge.config.configuration import configured
from nasforge.config.extras import extras
from nasforge.devices.environment import environment
from nasforge.devices.machine import accelerators, disk, memory, processors
from nasforge.diagnosis.kernel_trials import LIBRARY, broken_operations
from nasforge.diagnosis.soundness import fault
from nasforge.errors import DataError, text_of
from nasforge.execution.options import available_threads
from nasforge.networks.operations import OPERATIONS
from nasforge.registry.entry_points import CONTRACTS, build, registry
from nasforge.registry.guests import STOPS
from nasforge.tables.files import places, readers, recognised, tables
from nasforge.tables.installed import installed_tables

WIDTH = 100
Row = tuple[str, str]


def diagnosis() -> str:
    """Return sections on versions, devices, kernels, extras, data, tables and plug-ins, at most 100 columns wide."""
    sections = {
        "Versions": _versions(),
        "Devices": _devices(),
        "Kernels": _kernels(),
        "Extras": _extras(),
        "Data": _data(),
        "Tables": _tables(),
        "Plug-ins": _plugins(),
    }
    return "\n\n".join(_section(title, list(rows)) for title, rows in sections.items())


def _section(title: str, rows: list[Row]) -> str:
    width = max(len(name) for name, _ in rows)
    lines = [_row(name, text, width) for name, text in rows]
    return "\n".join([title, *lines])


def _row(name: str, text: str, width: int) -> str:
    """Return a row wrapped below its text; paths are never broken."""
    return textwrap.fill(
        text,
        min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns),
        initial_indent=f"  {name:{width}}  ",
        subsequent_indent=" " * (width + 4),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _versions() -> Iterator[Row]:
    omitted = {"device", "threads"}
    facts = environment("cpu", available_threads())
    yield from ((name, str(value)) for name, value in facts.items() if value != "" and name not in omitted)


def _devices() -> Iterator[Row]:
    yield "processors", processors()
    yield "memory", memory()
    yield "disk", disk()
    yield from accelerators()


def _kernels() -> Iterator[Row]:
    """Report whether operations compute correctly on this processor, and what to do about those that do not."""
    faults = broken_operations()
    library = faults.pop(LIBRARY, "")
    if not faults:
        yield "operations", f"all {len(OPERATIONS)} compute correctly here, forward and backward, in both layouts"
    yield from ((name, f"BROKEN: it {fault}") for name, fault in faults.items())
    if faults:
        yield "what to do", "install another torch, or set ONEDNN_MAX_CPU_ISA=SSE41, whose kernels are slower"
    if library:
        yield "in your modules", f"{LIBRARY} {library}; use nasforge.PointwiseConv2d instead"


def _extras() -> Iterator[Row]:
    for extra in extras():
        if extra.lacking:
            yield extra.name, f"not installed; {extra.purpose or 'optional'}. To install: {extra.install}"
        else:
            yield extra.name, f"{', '.join(extra.versions)}; {extra.purpose or 'optional'}"


def _data() -> Iterator[Row]:
    for name in registry("data"):
        yield name, _where(name)


def _where(name: str) -> str:
    """Say where the data is or belongs; only reading the files shows whether they are complete."""
    try:
        options = configured("data", name)
        places = build("data", {key: value for key, value in options.items() if value != "???"}).places
    except STOPS:
        raise
    except BaseException as error:  # the section on plug-ins says more
        return f"cannot be checked: {text_of(error)}"
    if not places:
        return "ready: it needs no files"
    if existing := next((place for place in places if place.exists()), None):
        return f"found: {existing}"
    listed = " or ".join(map(str, places))
    if options.get("download"):
        return f"missing; data={name} downloads it, or put it in {listed}"
    key = next((key for key in ("path", "root") if key in options), None)
    elsewhere = f", or set data.{key}=PATH" if key else ""
    return f"missing; put your files in {listed}{elsewhere}"


def _tables() -> Iterator[Row]:
    yield from ((file.stem, status) for file in tables() if (status := _table(file)))
    yield "installed", ", ".join(installed_tables()) or "none; pip install nasforge-tables"
    yield "searched", ", ".join(map(str, places()))
    yield "can import", ", ".join(readers()) or "nothing: no reader is installed"
    for name in registry("estimator"):
        if lacking := _lacking(name):
            yield f"estimator={name}", f"cannot be used yet: {lacking}"


def _table(file: Path) -> str:
    """Return the status of a table file; empty for any other file, such as images in the same folder."""
    try:
        return f"found: {file}" if recognised(file) else ""
    except STOPS:
        raise
    except BaseException as broken:  # a plug-in's reader may raise anything
        return f"BROKEN: {broken}"


def _lacking(estimator: str) -> str:
    """Return the estimator's own message about missing files; empty if it misses none."""
    try:
        build("estimator", configured("estimator", estimator))
    except DataError as missing:
        return str(missing)
    except STOPS:
        raise
    except BaseException:  # the section on plug-ins says it
        return ""
    return ""


def _plugins() -> Iterator[Row]:
    """Report how many plug-ins each package has, and which cannot be used."""
    counts: Counter[str] = Counter()
    blamed: set[str] = set()
    broken: list[Row] = []
    for kind in CONTRACTS:
        for name, claims in registry(kind).plugins.items():
            counts.update(f"{claim.package} {claim.version}".strip() for claim in claims)
            guests = {claim.package for claim in claims} - {"nasforge"}
            if problem := fault(kind, name):
                broken.append((f"{kind}={name}", f"UNUSABLE: {problem}"))
                blamed |= guests
    yield from ((package, f"{count} plug-in{'s' * (count > 1)}") for package, count in counts.items())
    yield from broken
    if broken:
        packages = ", ".join(sorted(blamed))
        remedy = f"fix, update or uninstall {packages}" if blamed else "fix or reinstall the packages named above"
        yield "what to do", f"{remedy}; everything else works without them"
