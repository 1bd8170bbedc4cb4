"""The suite of a package: each plug-in is found, has a docstring, and has a YAML file that fits its constructor."""

# ruff: noqa: D102  # a test's name says what it checks
from __future__ import annotations

from packaging.utils import canonicalize_name

from nasforge.diagnosis.listing import first_line
from nasforge.diagnosis.soundness import difference, fault
from nasforge.registry.entry_points import CONTRACTS, Plugin, registry


class PackageContract:
    """The suite of an installed package with plug-ins. Set `package` to its name for pip."""

    package: str

    def test_it_has_plug_ins(self) -> None:
        assert self._plugins(), f"package '{self.package}' is not installed, or has no plug-ins: pip install -e ."

    def test_each_can_be_used(self) -> None:
        faults = [problem for kind, plugin in self._plugins() if (problem := fault(kind, plugin.name))]
        assert not faults, "; ".join(faults)

    def test_each_has_a_line_that_says_what_it_is(self) -> None:
        silent = [f"{kind} '{plugin.name}'" for kind, plugin in self._plugins() if not first_line(plugin)]
        assert not silent, f"`nasforge list` has no text for {', '.join(silent)}: give the class a docstring"

    def test_defaults_are_the_same_on_the_command_line_and_in_python(self) -> None:
        differing = [problem for kind, plugin in self._plugins() if (problem := difference(kind, plugin.name))]
        assert not differing, "; ".join(differing)

    def _plugins(self) -> list[tuple[str, Plugin]]:
        return [
            (kind, plugin)
            for kind in CONTRACTS
            for claims in registry(kind).plugins.values()
            for plugin in claims
            if canonicalize_name(plugin.package) == canonicalize_name(self.package)
        ]
