"""What is installed, read from package metadata and source text: listing plug-ins imports none of them."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path

from nasforge.registry import Plugin, registry


def listing(kinds: Sequence[str], *, check: bool = False) -> tuple[str, bool]:
    """A text for people, and whether all is sound.

    Args:
        kinds: which to list.
        check: import every class, compose its configuration and build it with that; say what comes in the way.
    """
    faults = {(kind, name): fault for kind in kinds for name in registry(kind) if (fault := _fault(kind, name, check))}
    blocks = [_block(kind, {name: fault for (of, name), fault in faults.items() if of == kind}) for kind in kinds]
    return "\n\n".join(blocks), not faults


def first_line(plugin: Plugin) -> str:
    """The first line of a plug-in's documentation, read from its source; empty where there is none."""
    return _documentation(plugin.module, plugin.attribute, hops=3)


def _block(kind: str, faults: dict[str, str]) -> str:
    plugins = registry(kind).plugins
    width = max(map(len, plugins), default=0)
    origin = max((len(f"{p.package} {p.version}") for claims in plugins.values() for p in claims), default=0)
    lines = [f"  {name:{width}}  {_row(claims, origin, faults.get(name, ''))}" for name, claims in plugins.items()]
    return "\n".join([kind, *(lines or ["  none installed"])])


def _row(claims: tuple[Plugin, ...], origin: int, fault: str) -> str:
    packages = " and ".join(f"{plugin.package} {plugin.version}" for plugin in claims)
    return f"{packages:{origin}}  {fault or first_line(claims[0])}".rstrip()


def _fault(kind: str, name: str, check: bool) -> str:
    """What takes the place of its documentation, as far as metadata, or a check, tell."""
    if not check:
        said = registry(kind).refusal(name)
        return said and f"UNUSABLE: {said}"
    from nasforge.soundness import difference, fault

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
