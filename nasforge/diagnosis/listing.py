"""List installed plug-ins from package metadata and source text, without importing them."""

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
    """Return a text for people, and whether every plug-in works.

    Args:
        kinds: kinds of plug-in to list.
        check: whether to import every class, and build it from its composed configuration; the text says what fails.
    """
    faults = {(kind, name): fault for kind in kinds for name in registry(kind) if (fault := _fault(kind, name, check))}
    blocks = [_block(kind, {name: fault for (of, name), fault in faults.items() if of == kind}) for kind in kinds]
    if check:
        blocks.append(f"{len(faults)} with errors, see above" if faults else "all sound")
    return "\n\n".join(blocks), not faults


def first_line(plugin: Plugin) -> str:
    """Return the first line of a plug-in's docstring, read from its source; empty if it has none."""
    return _documentation(plugin.module, plugin.attribute, hops=3)


class Preset(NamedTuple):
    """A configuration that users choose like a plug-in: a plug-in with other options.

    Attributes:
        name: name for the command line.
        package, version: the distribution that installed it.
        of: name of the plug-in.
        about: the first comment line of its file.
    """

    name: str
    package: str
    version: str
    of: str
    about: str


def presets(kind: str) -> Iterator[Preset]:
    """Yield configurations of `kind` that share no plug-in's name, ordered by package and name."""
    ours = find_spec("nasforge.conf")  # an editable installation has it in a separate place
    folders = [("nasforge", __version__, ours)]
    for entry in sorted(entry_points(group="nasforge.conf")):
        guest = Plugin.of(entry)
        folders.append((guest.package, guest.version, _spec(guest.module)))
    for package, version, spec in folders:
        for place in (spec.submodule_search_locations if spec else None) or []:
            for path in sorted((Path(place) / kind).glob("*.yaml")):
                text = path.read_text(encoding="utf-8", errors="replace")
                name = _NAME.search(text)
                if path.stem not in registry(kind) and name:
                    about = next((line[1:].strip() for line in text.splitlines() if re.match("# *[^@ ]", line)), "")
                    yield Preset(path.stem, package, version, name[1], about)


_NAME = re.compile(r"^name: *(\w+)", re.MULTILINE)


def _block(kind: str, faults: dict[str, str]) -> str:
    """Return a heading and one row per plug-in, wrapped to the terminal's width; a pipe gets unwrapped rows."""
    rows = [
        (
            name,
            " and ".join(f"{claim.package} {claim.version}" for claim in claims),
            faults.get(name) or first_line(claims[0]),
        )
        for name, claims in registry(kind).plugins.items()
    ]
    rows += [
        (preset.name, f"{preset.package} {preset.version}", f"{preset.of}: {preset.about}") for preset in presets(kind)
    ]
    names, origins = (max((len(row[column]) for row in rows), default=0) for column in (0, 1))
    lines = [_wrapped(f"  {name:{names}}  {origin:{origins}}  ", text) for name, origin, text in rows]
    return "\n".join([kind, *(lines or ["  none installed"])])


def _wrapped(head: str, text: str) -> str:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    if width < len(head) + 20:
        return f"{head}{text}".rstrip()
    return textwrap.fill(text, width, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False)


def _fault(kind: str, name: str, check: bool) -> str:
    """Return the error to show instead of its documentation, from metadata or from a check."""
    if not check:
        problem = registry(kind).refusal(name)
        return problem and f"UNUSABLE: {problem}"
    from nasforge.diagnosis.soundness import difference, fault

    if problem := fault(kind, name):
        return f"UNUSABLE: {problem}"
    ours = registry(kind).plugins[name][0].package == "nasforge"  # tests compare our own defaults
    return "" if ours or not (problem := difference(kind, name)) else f"UNSOUND: {problem}"


def _documentation(module: str, attribute: str, hops: int) -> str:
    """Return the first docstring line, following `from ... import attribute` through at most `hops` modules."""
    spec = _spec(module)
    if spec is None or not spec.origin or not spec.origin.endswith(".py") or hops == 0:
        return ""
    for node in reversed(_statements(Path(spec.origin))):  # the last definition of a name counts
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
    except (OSError, SyntaxError, ValueError):  # an unreadable plug-in has no documentation; `--check` says why
        return []


def _absolute(node: ast.ImportFrom, spec: ModuleSpec) -> str:
    if not node.level:
        return node.module or ""
    package = spec.name if spec.submodule_search_locations else spec.name.rpartition(".")[0]
    base = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*base, *filter(None, [node.module])])


def _spec(module: str) -> ModuleSpec | None:
    """Find a module without importing the packages above it, which `find_spec` alone would do."""
    first, *others = module.split(".")
    try:
        spec = find_spec(first)
    except ValueError:  # not a module's name, or an imported module without a spec
        return None
    for part in others:
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(f"{spec.name}.{part}", list(spec.submodule_search_locations))
    return spec
