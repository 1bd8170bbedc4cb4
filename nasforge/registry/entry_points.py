"""Names of plug-ins, and the classes behind them: one read-only mapping per kind, over installed entry points."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from importlib.metadata import EntryPoint, entry_points
from operator import attrgetter
from typing import Any, NamedTuple, cast

from nasforge.errors import NasforgeError, OptionError, UnknownNameError, reason, unknown
from nasforge.registry.guests import STOPS, imported

CONTRACTS = {
    "space": "nasforge.space:SearchSpace",
    "strategy": "nasforge.strategy:Strategy",
    "estimator": "nasforge.estimator:Estimator",
    "data": "nasforge.data:DataModule",
}
"""The kinds of plug-in, and the class that each must inherit from."""

WATCHERS = {"logger": "pytorch_lightning.loggers:Logger", "callback": "pytorch_lightning.callbacks:Callback"}
"""What may watch a fit, likewise: these classes are Lightning's, and packages offer theirs as they offer plug-ins."""

_OF_LIGHTNING = {
    "logger": {
        "csv": "pytorch_lightning.loggers:CSVLogger",
        "tensorboard": "pytorch_lightning.loggers:TensorBoardLogger",
    },
    "callback": {"learning_rate_monitor": "pytorch_lightning.callbacks:LearningRateMonitor"},
}
"""Those that come with Lightning and change nothing of what is computed."""


class Plugin(NamedTuple):
    """One package's claim to a name.

    Attributes:
        name: what people type.
        package, version: the distribution that installed it.
        module, attribute: where its class is.
    """

    name: str
    package: str
    version: str
    module: str
    attribute: str

    @classmethod
    def of(cls, entry: EntryPoint) -> Plugin:
        """From package metadata alone; nothing is imported. Metadata may be damaged: what is not there is empty."""
        module, _, attribute = entry.value.partition("[")[0].partition(":")
        package = (entry.dist and entry.dist.metadata["Name"]) or "an unknown package"
        version = (entry.dist and entry.dist.metadata["Version"]) or ""
        return cls(entry.name, package, version, module.strip(), attribute.strip())


class Registry(Mapping[str, type[Any]]):
    """The plug-ins of one kind. Names cost nothing; a class is imported, and checked, when it is asked for.

    Raises:
        UnknownNameError: on lookup, no package has the name, several have it, or the one that has it is made for
            another nasforge or broken.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._classes: dict[str, type[Any]] = {}

    @cached_property
    def plugins(self) -> Mapping[str, tuple[Plugin, ...]]:
        """Who claims each name, in order of the names; more than one claim is a clash."""
        claims: dict[str, list[Plugin]] = {}
        for entry in sorted(entry_points(group=f"nasforge.{self.kind}")):
            claims.setdefault(entry.name, []).append(Plugin.of(entry))
        for name, value in _OF_LIGHTNING.get(self.kind, {}).items():
            module, _, attribute = value.partition(":")
            claims.setdefault(name, []).append(Plugin(name, "nasforge", "", module, attribute))
        return {name: tuple(sorted(plugins, key=lambda one: one.package)) for name, plugins in claims.items()}

    def __iter__(self) -> Iterator[str]:
        return iter(self.plugins)

    def __len__(self) -> int:
        return len(self.plugins)

    def __contains__(self, name: object) -> bool:
        return name in self.plugins

    def __getitem__(self, name: str) -> type[Any]:
        if name not in self._classes:
            self._classes[name] = self._load(name)
        return self._classes[name]

    @property
    def working(self) -> Mapping[str, type[Any]]:
        """All classes that can be had; broken and clashing ones are left out."""
        found = {}
        for name in self:
            try:
                found[name] = self[name]
            except NasforgeError:
                continue
        return found

    def refusal(self, name: str) -> str:
        """Why a known name cannot be used, as far as package metadata tell: a clash, or made for another nasforge."""
        first, *others = self.plugins[name]
        if others:
            packages = " and ".join(plugin.package for plugin in (first, *others))
            return f"{self.kind} '{name}' is claimed by {packages}; uninstall all but one of them"
        if first.package == "nasforge":
            return ""
        from nasforge.registry.made_for import refusal

        said = refusal(first.package, first.version)
        return said and f"{self.kind} '{name}' of {first.package} {first.version} {said}"

    def _load(self, name: str) -> type[Any]:
        if name not in self:
            raise unknown(self.kind, name, self)
        if said := self.refusal(name):
            raise UnknownNameError(said)
        (plugin,) = self.plugins[name]
        found = _imported(plugin, self.kind)
        _check_contract(found, plugin, self.kind)
        if self.kind in WATCHERS:  # a name is for choosing one; Lightning's loggers have another by that word
            return cast(type[Any], found)
        self._check_single(found, plugin)
        return _named(found, plugin, self.kind)

    def _check_single(self, found: type[Any], plugin: Plugin) -> None:
        """A class has one name, which stands in its architectures and in the keys of its estimates."""
        others = [name for name, one in self._classes.items() if one is found]
        if others:
            raise UnknownNameError(
                f"{self.kind} '{plugin.name}' of {plugin.package} is the class of '{others[0]}' too: "
                f"a class has one name, so give '{plugin.name}' a subclass of {plugin.attribute}"
            )


@cache
def registry(kind: str) -> Registry:
    """The plug-ins of `kind`: space, strategy, estimator or data; or a logger or callback."""
    if kind not in CONTRACTS and kind not in WATCHERS:
        raise unknown("kind of plug-in", kind, CONTRACTS)
    return Registry(kind)


def build(kind: str, options: Mapping[str, Any], *, where: str | None = None) -> Any:
    """The object that a configuration stands for: `name` says which class, the rest are its constructor's options.

    Args:
        kind: space, strategy, estimator or data.
        where: how messages call the section that the options stand in, if it is not `kind`'s own.

    Raises:
        UnknownNameError: no working plug-in has that name.
        OptionError: an option's key, type or value is wrong; the message says which and what would be right.
    """
    from nasforge.registry.options import (  # which takes a tenth of a second; names alone are quick
        arguments,
        filled,
    )
    from nasforge.registry.renamed import with_new_names

    if not isinstance(options, Mapping):
        raise OptionError(f"{where or kind}={options!r}: it must hold a name, and the options of what it names")
    given = dict(options)
    name = given.pop("name", None)
    if not isinstance(name, str):
        known = ", ".join(registry(kind))
        raise OptionError(f"{where or kind}.name={name!r}: it must be the name of a {kind}: {known}")
    found = registry(kind)[name]
    where = where or (f"{kind}.{name}" if kind == "estimator" else kind)
    given = with_new_names(found, given, where=where)
    taken = arguments(found, given, where=where)
    part = _constructed(found, taken, registry(kind).plugins[name][0], kind)
    vars(part).setdefault("name", name)  # a worker process imports the class alone, which has its name from here
    if kind == "estimator":
        part.options = filled(found, _without_paths(kind, found, given))  # what lies there is the part's fingerprint
    return part


def _without_paths(kind: str, found: type[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """A plug-in's options but for paths, its own and those of parts that it has itself."""
    from nasforge.registry.options import path_options

    places = path_options(found)
    return {
        key: _without_paths(kind, registry(kind)[value["name"]], value)
        if isinstance(value, Mapping) and value.get("name") in registry(kind)
        else value
        for key, value in options.items()
        if key not in places
    }


def _constructed(found: type[Any], taken: Mapping[str, Any], plugin: Plugin, kind: str) -> Any:
    try:
        return found(**taken)
    except SystemExit as error:  # it would end the command, and a sweep with it, without a word
        raise OptionError(
            f"{kind} '{plugin.name}' of {plugin.package} cannot be built: its constructor raised {reason(error)}; "
            "an OptionError would say what is wrong"
        ) from error
    except OptionError as error:
        if plugin.package == "nasforge" or plugin.package in str(error):
            raise
        raise OptionError(f"{kind} '{plugin.name}' of {plugin.package}: {error}") from error


def _imported(plugin: Plugin, kind: str) -> Any:
    if not (plugin.module and plugin.attribute):
        raise UnknownNameError(
            f"{kind} '{plugin.name}' of {plugin.package} has an entry point without a class: "
            f"{plugin.name} = MODULE:CLASS would be right"
        )
    try:
        return attrgetter(plugin.attribute)(imported(plugin.module))
    except STOPS:
        raise
    except BaseException as error:
        raise UnknownNameError(
            f"{kind} '{plugin.name}' of {plugin.package} cannot be loaded: {reason(error)}"
        ) from error


def _check_contract(found: Any, plugin: Plugin, kind: str) -> None:
    module, _, name = (CONTRACTS | WATCHERS)[kind].partition(":")
    if not (isinstance(found, type) and issubclass(found, getattr(importlib.import_module(module), name))):
        raise UnknownNameError(
            f"{kind} '{plugin.name}' of {plugin.package} is not a {name}: "
            f"{plugin.module}.{plugin.attribute} must be a class that inherits from "
            f"{'nasforge' if kind in CONTRACTS else module}.{name}"
        )
    if inspect.isabstract(found):
        missing = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
        raise UnknownNameError(
            f"{kind} '{plugin.name}' of {plugin.package} is not complete: {plugin.attribute} lacks {missing}, "
            f"which every {name} must have"
        )


def _named(found: type[Any], plugin: Plugin, kind: str) -> type[Any]:
    own = vars(found).get("name", plugin.name)
    if own != plugin.name:
        raise UnknownNameError(
            f"{kind} '{plugin.name}' of {plugin.package} calls itself '{own}': "
            f"the attribute `name` of {plugin.attribute} must equal its entry point"
        )
    found.name = plugin.name
    return found
