"""What `nasforge doctor` says of this machine, and what to do about what is not there."""

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
from nasforge.errors import DataError, NasforgeError, text_of
from nasforge.execution.options import available_threads
from nasforge.networks.operations import OPERATIONS
from nasforge.registry.entry_points import CONTRACTS, build, registry
from nasforge.registry.guests import STOPS
from nasforge.tables.files import places, readers, recognised, tables

WIDTH = 100
Row = tuple[str, str]


def diagnosis() -> str:
    """Versions, devices, kernels, extras, data, tables and plug-ins, a section each, 100 columns wide at most."""
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
    """Continued lines stand below the first one's text; a path is never broken."""
    return textwrap.fill(
        text,
        min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns),
        initial_indent=f"  {name:{width}}  ",
        subsequent_indent=" " * (width + 4),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _versions() -> Iterator[Row]:
    left_out = {"device", "threads"}
    facts = environment("cpu", available_threads())
    yield from ((name, str(value)) for name, value in facts.items() if value != "" and name not in left_out)


def _devices() -> Iterator[Row]:
    yield "processors", processors()
    yield "memory", memory()
    yield "disk", disk()
    yield from accelerators()


def _kernels() -> Iterator[Row]:
    """Whether operations compute correctly on this processor, and what to do about those that do not."""
    faults = broken_operations()
    library = faults.pop(LIBRARY, "")
    if not faults:
        yield "operations", f"all {len(OPERATIONS)} compute correctly here, forward and backward, in both layouts"
    yield from ((name, f"BROKEN: it {fault}") for name, fault in faults.items())
    if faults:
        yield "what to do", "install another torch, or set ONEDNN_MAX_CPU_ISA=SSE41, whose kernels are slower"
    if library:
        yield "in modules of yours", f"{LIBRARY} {library}; nasforge.PointwiseConv2d takes its place"


def _extras() -> Iterator[Row]:
    for extra in extras():
        if extra.lacking:
            yield extra.name, f"not here; {extra.purpose or 'optional'}. To have it: {extra.install}"
        else:
            yield extra.name, f"{', '.join(extra.versions)}; {extra.purpose or 'optional'}"


def _data() -> Iterator[Row]:
    for name in registry("data"):
        yield name, _where(name)


def _where(name: str) -> str:
    """Where data are, or would be; only reading tells if their files are whole."""
    try:
        options = configured("data", name)
        places = build("data", {key: value for key, value in options.items() if value != "???"}).places
    except STOPS:
        raise
    except BaseException as error:  # the section on plug-ins says more
        return f"cannot be asked: {text_of(error)}"
    if not places:
        return "ready: it needs no files of its own"
    if found := next((place for place in places if place.exists()), None):
        return f"found: {found}"
    listed = " or ".join(map(str, places))
    if options.get("download"):
        return f"not there; data={name} will fetch it, or put it where it is looked for: {listed}"
    key = next((key for key in ("path", "root") if key in options), None)
    elsewhere = f", or say data.{key}=PATH" if key else ""
    return f"not there; put yours where it is looked for, {listed}{elsewhere}"


def _tables() -> Iterator[Row]:
    yield from ((file.stem, said) for file in tables() if (said := _table(file)))
    yield "looked for in", ", ".join(map(str, places()))
    yield "can import", ", ".join(readers()) or "nothing: no reader is installed"
    for name in registry("estimator"):
        if lacking := _lacking(name):
            yield f"estimator={name}", f"cannot be used yet: {lacking}"


def _table(file: Path) -> str:
    """What is to be said of a file; nothing if it is no table, as images in the same folder are none."""
    try:
        return f"found: {file}" if recognised(file) else ""
    except STOPS:
        raise
    except BaseException as broken:  # whatever a guest's reader raises
        return f"BROKEN: {broken}"


def _lacking(estimator: str) -> str:
    """The files that an estimator misses, in its own words."""
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
    """How many each package brings, and which cannot be used."""
    counts: Counter[str] = Counter()
    blamed: set[str] = set()
    broken: list[Row] = []
    for kind in CONTRACTS:
        for name, claims in registry(kind).plugins.items():
            counts.update(f"{claim.package} {claim.version}".strip() for claim in claims)
            guests = {claim.package for claim in claims} - {"nasforge"}
            if said := _fault(kind, name, ours=not guests):
                broken.append((f"{kind}={name}", f"UNUSABLE: {said}"))
                blamed |= guests
    yield from ((package, f"{count} plug-in{'s' * (count > 1)}") for package, count in counts.items())
    yield from broken
    if broken:
        packages = ", ".join(sorted(blamed))
        remedy = f"mend, update or uninstall {packages}" if blamed else "mend or install again what is named"
        yield "what to do", f"{remedy}; all else works as if it were not there"


def _fault(kind: str, name: str, *, ours: bool) -> str:
    """Our own configurations are tested; that a library which ours need is broken, is not."""
    if not ours:
        return fault(kind, name)
    try:
        _ = registry(kind)[name]
    except NasforgeError as error:
        return str(error)
    return ""
