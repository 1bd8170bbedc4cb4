"""What is installed, read from package metadata and source text: listing plug-ins imports none of them."""

from __future__ import annotations

import ast
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from nasforge import __version__
from nasforge.registry.entry_points import Plugin, registry


def listing(kinds: Sequence[str], *, check: bool = False) -> tuple[str, bool]:
    """A text for people, and whether all is sound.

    Args:
        kinds: which to list.
        check: import every class, compose its configuration and build it with that; say what comes in the way.
    """
    faults = {(kind, name): fault for kind in kinds for name in registry(kind) if (fault := _fault(kind, name, check))}
    blocks = [_block(kind, {name: fault for (of, name), fault in faults.items() if of == kind}) for kind in kinds]
    if check:
        blocks.append(f"{len(faults)} not sound, as said above" if faults else "all sound")
    return "\n\n".join(blocks), not faults


def first_line(plugin: Plugin) -> str:
    """The first line of a plug-in's documentation, read from its source; empty where there is none."""
    return _documentation(plugin.module, plugin.attribute, hops=3)


class Preset(NamedTuple):
    """A configuration that may be chosen like a plug-in: one of them with other options.

    Attributes:
        name: what people type.
        package, version: the distribution that installed it.
        of: the plug-in.
        about: the first line that its file says of itself.
    """

    name: str
    package: str
    version: str
    of: str
    about: str


def presets(kind: str) -> Iterator[Preset]:
    """Configurations of `kind` that no plug-in is named after, in order of their packages and names."""
    ours = find_spec("nasforge.conf")  # which an editable installation has in a place of its own
    folders = [("nasforge", __version__, ours)]
    for entry in sorted(entry_points(group="nasforge.conf")):
        guest = Plugin.of(entry)
        folders.append((guest.package, guest.version, _spec(guest.module)))
    for package, version, spec in folders:
        for place in (spec.submodule_search_locations if spec else None) or []:
            for path in sorted((Path(place) / kind).glob("*.yaml")):
                text = path.read_text(encoding="utf-8", errors="replace")
                found = _NAME.search(text)
                if path.stem not in registry(kind) and found:
                    about = next((line[1:].strip() for line in text.splitlines() if re.match("# *[^@ ]", line)), "")
                    yield Preset(path.stem, package, version, found[1], about)


_NAME = re.compile(r"^name: *(\w+)", re.MULTILINE)


def _block(kind: str, faults: dict[str, str]) -> str:
    """A heading and a row for each, its text wrapped at a terminal's width; a pipe gets each on one line."""
    rows = [
        (
            name,
            " and ".join(f"{one.package} {one.version}" for one in claims),
            faults.get(name) or first_line(claims[0]),
        )
        for name, claims in registry(kind).plugins.items()
    ]
    rows += [(one.name, f"{one.package} {one.version}", f"{one.of}: {one.about}") for one in presets(kind)]
    names, origins = (max((len(row[column]) for row in rows), default=0) for column in (0, 1))
    lines = [_wrapped(f"  {name:{names}}  {origin:{origins}}  ", text) for name, origin, text in rows]
    return "\n".join([kind, *(lines or ["  none installed"])])


def _wrapped(head: str, text: str) -> str:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    if width < len(head) + 20:
        return f"{head}{text}".rstrip()
    return textwrap.fill(text, width, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False)


def _fault(kind: str, name: str, check: bool) -> str:
    """What takes the place of its documentation, as far as metadata, or a check, tell."""
    if not check:
        said = registry(kind).refusal(name)
        return said and f"UNUSABLE: {said}"
    from nasforge.diagnosis.soundness import difference, fault

    if said := fault(kind, name):
        return f"UNUSABLE: {said}"
    ours = registry(kind).plugins[name][0].package == "nasforge"  # whose defaults the tests compare
    return "" if ours or not (said := difference(kind, name)) else f"UNSOUND: {said}"


def _documentation(module: str, attribute: str, hops: int) -> str:
    """Follows `from ... import attribute` to where the class is written, `hops` modules at most."""
    spec = _spec(module)
    if spec is None or not spec.origin or not spec.origin.endswith(".py") or hops == 0:
        return ""
    for node in reversed(_statements(Path(spec.origin))):  # of a name given twice, the last one holds
        if isinstance(node, ast.ClassDef) and node.name == attribute:
            return (ast.get_docstring(node) or "").partition("\n")[0]
        if isinstance(node, ast.ImportFrom):
            for alias in reversed(node.names):
                if (alias.asname or alias.name) == attribute:
                    return _documentation(_absolute(node, spec), alias.name, hops - 1)
    return ""


def _statements(source: Path) -> list[ast.stmt]:
    try:
        return ast.parse(source.read_bytes()).body
    except (OSError, SyntaxError, ValueError):  # a guest that cannot be read has no documentation; `--check` says more
        return []


def _absolute(node: ast.ImportFrom, spec: ModuleSpec) -> str:
    if not node.level:
        return node.module or ""
    package = spec.name if spec.submodule_search_locations else spec.name.rpartition(".")[0]
    base = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*base, *filter(None, [node.module])])


def _spec(module: str) -> ModuleSpec | None:
    """Where a module is, found without importing the packages above it, as `find_spec` alone would."""
    first, *rest = module.split(".")
    try:
        spec = find_spec(first)
    except ValueError:  # no module's name, or one already imported that says nothing of where it is from
        return None
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(f"{spec.name}.{part}", list(spec.submodule_search_locations))
    return spec
