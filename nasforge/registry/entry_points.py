"""Map the names of plug-ins to their classes: one read-only mapping per kind, from installed entry points."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache, cached_property
from importlib.metadata import EntryPoint, entry_points
from operator import attrgetter
from typing import Any, NamedTuple, cast

from nasforge.architecture_files import typed
from nasforge.errors import NasforgeError, OptionError, UnknownNameError, reason, unknown
from nasforge.registry.guests import STOPS, imported

CONTRACTS = {
    "space": "nasforge.space:SearchSpace",
    "strategy": "nasforge.strategy:Strategy",
    "estimator": "nasforge.estimator:Estimator",
    "data": "nasforge.data:DataModule",
}
"""The class that each kind of plug-in must inherit from."""

EXPORTERS = {"exporter": "nasforge.export.exporter:Exporter"}
"""The formats in which `nasforge export` writes networks."""

WATCHERS = {"logger": "pytorch_lightning.loggers:Logger", "callback": "pytorch_lightning.callbacks:Callback"}
"""The same for what may watch a fit. These classes are Lightning's; packages offer theirs as they offer plug-ins."""

_OF_LIGHTNING = {
    "logger": {
        "csv": "pytorch_lightning.loggers:CSVLogger",
        "tensorboard": "nasforge.loggers.tensorboard:TensorBoard",
    },
    "callback": {
        "device_stats": "pytorch_lightning.callbacks:DeviceStatsMonitor",
        "learning_rate_monitor": "pytorch_lightning.callbacks:LearningRateMonitor",
        "model_summary": "pytorch_lightning.callbacks:RichModelSummary",
    },
}
"""Loggers and callbacks of Lightning's, or little more than these; they do not change any result."""


class Plugin(NamedTuple):
    """One package's claim to a name.

    Attributes:
        name: what users type.
        package, version: the distribution that provides it.
        module, attribute: where its class is.
    """

    name: str
    package: str
    version: str
    module: str
    attribute: str

    @classmethod
    def of(cls, entry: EntryPoint) -> Plugin:
        """Read package metadata without importing anything; what is missing in damaged metadata is left empty."""
        module, _, attribute = entry.value.partition("[")[0].partition(":")
        package = (entry.dist and entry.dist.metadata["Name"]) or "an unknown package"
        version = (entry.dist and entry.dist.metadata["Version"]) or ""
        return cls(entry.name, package, version, module.strip(), attribute.strip())


class Registry(Mapping[str, type[Any]]):
    """The plug-ins of one kind. Reading names is cheap; a class is imported and checked when it is looked up.

    Raises:
        UnknownNameError: on lookup, if no package has the name, if several have it, or if the plug-in is broken or
            made for another version of nasforge.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._classes: dict[str, type[Any]] = {}

    @cached_property
    def plugins(self) -> Mapping[str, tuple[Plugin, ...]]:
        """The plug-ins that claim each name, sorted by name; several claims are a conflict."""
        claims: dict[str, list[Plugin]] = {}
        for entry in sorted(entry_points(group=f"nasforge.{self.kind}")):
            claims.setdefault(entry.name, []).append(Plugin.of(entry))
        for name, value in _OF_LIGHTNING.get(self.kind, {}).items():
            module, _, attribute = value.partition(":")
            claims.setdefault(name, []).append(Plugin(name, "nasforge", "", module, attribute))
        return {name: tuple(sorted(plugins, key=lambda plugin: plugin.package)) for name, plugins in claims.items()}

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
        """All classes that can be loaded; broken and conflicting ones are left out."""
        classes = {}
        for name in self:
            with suppress(NasforgeError):
                classes[name] = self[name]
        return classes

    def refusal(self, name: str) -> str:
        """Return why metadata forbid a known name: a conflict, or another version of nasforge; empty if they do not."""
        first, *others = self.plugins[name]
        if others:
            packages = " and ".join(plugin.package for plugin in (first, *others))
            return f"{self.kind} '{name}' is claimed by {packages}; uninstall all but one of them"
        if first.package == "nasforge":
            return ""
        from nasforge.registry.made_for import refusal

        reason = refusal(first.package, first.version)
        return reason and f"{self.kind} '{name}' of {first.package} {first.version} {reason}"

    def _load(self, name: str) -> type[Any]:
        if name not in self:
            raise unknown(self.kind, name, self)
        if refusal := self.refusal(name):
            raise UnknownNameError(refusal)
        (plugin,) = self.plugins[name]
        cls = _imported(plugin, self.kind)
        _check_contract(cls, plugin, self.kind)
        if self.kind in WATCHERS:  # the attribute `name` of Lightning's loggers means something else
            return cast(type[Any], cls)
        self._check_single(cls, plugin)
        return _named(cls, plugin, self.kind)

    def _check_single(self, cls: type[Any], plugin: Plugin) -> None:
        """Refuse a second name for a class, because architectures and the keys of estimates contain the name."""
        others = [name for name, other in self._classes.items() if other is cls]
        if others:
            raise UnknownNameError(
                f"{self.kind} '{plugin.name}' of {plugin.package} is also the class of '{others[0]}': "
                f"a class has one name, so give '{plugin.name}' a subclass of {plugin.attribute}"
            )


@cache
def registry(kind: str) -> Registry:
    """Return the plug-ins of `kind`: space, strategy, estimator, data, exporter, logger or callback."""
    if kind not in CONTRACTS | EXPORTERS | WATCHERS:
        raise unknown("kind of plug-in", kind, CONTRACTS)
    return Registry(kind)


def build(kind: str, options: Mapping[str, Any], *, where: str | None = None) -> Any:
    """Build the object that a configuration describes: `name` chooses the class, the rest are its options.

    Args:
        kind: space, strategy, estimator or data.
        where: the section of the options, for messages; by default, that of `kind`.

    Raises:
        UnknownNameError: there is no working plug-in with that name.
        OptionError: an option's key, type or value is wrong; the message says which and what would be right.
    """
    from nasforge.registry.options import (  # this import takes a tenth of a second; reading names does not need it
        arguments,
        filled,
    )
    from nasforge.registry.renamed import with_new_names

    if not isinstance(options, Mapping):
        raise OptionError(f"{where or kind}={options!r}: it must hold a name and the options of that plug-in")
    given = dict(options)
    name = given.pop("name", None)
    if not isinstance(name, str):
        known = ", ".join(registry(kind))
        raise OptionError(f"{where or kind}.name={name!r}: it must be the name of a {kind}: {known}")
    cls = registry(kind)[name]
    where = where or (f"{kind}.{name}" if kind == "estimator" else kind)
    given = with_new_names(cls, given, where=where)
    named = [option for option in getattr(cls, "architecture_options", ()) if given.get(option) is not None]
    given.update({option: typed(given[option]) for option in named})
    part = _constructed(cls, arguments(cls, given, where=where), registry(kind).plugins[name][0], kind)
    vars(part).setdefault("name", name)  # a worker process imports the class directly, without its name
    if kind == "estimator":
        values = filled(cls, _without_paths(kind, cls, given))  # the part's fingerprint covers its files
        part.options = {key: value for key, value in values.items() if value is not None or key not in cls.added}
    return part


def _without_paths(kind: str, cls: type[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a plug-in's options without paths, its own and those of plug-ins inside it."""
    from nasforge.registry.options import path_options

    places = path_options(cls)
    return {
        key: _without_paths(kind, registry(kind)[value["name"]], value)
        if isinstance(value, Mapping) and value.get("name") in registry(kind)
        else value
        for key, value in options.items()
        if key not in places
    }


def _constructed(cls: type[Any], options: Mapping[str, Any], plugin: Plugin, kind: str) -> Any:
    try:
        return cls(**options)
    except SystemExit as error:  # it would silently end the command, or a whole sweep
        raise OptionError(
            f"{kind} '{plugin.name}' of {plugin.package} cannot be built: its constructor raised {reason(error)}; "
            "raise an OptionError that says what is wrong instead"
        ) from error
    except OptionError as error:
        if plugin.package == "nasforge" or plugin.package in str(error):
            raise
        raise OptionError(f"{kind} '{plugin.name}' of {plugin.package}: {error}") from error


def _imported(plugin: Plugin, kind: str) -> Any:
    if not (plugin.module and plugin.attribute):
        raise UnknownNameError(
            f"{kind} '{plugin.name}' of {plugin.package} has an entry point without a class: "
            f"it must be {plugin.name} = MODULE:CLASS"
        )
    try:
        return attrgetter(plugin.attribute)(imported(plugin.module))
    except STOPS:
        raise
    except BaseException as error:
        from nasforge.registry.libraries import broken_library

        raise UnknownNameError(
            f"{kind} '{plugin.name}' of {plugin.package} cannot be loaded: {broken_library(error) or reason(error)}"
        ) from error


def _check_contract(cls: Any, plugin: Plugin, kind: str) -> None:
    module, _, name = (CONTRACTS | EXPORTERS | WATCHERS)[kind].partition(":")
    if not (isinstance(cls, type) and issubclass(cls, getattr(importlib.import_module(module), name))):
        raise UnknownNameError(
            f"{kind} '{plugin.name}' of {plugin.package} is not a {name}: "
            f"{plugin.module}.{plugin.attribute} must be a class that inherits from "
            f"{'nasforge' if kind in CONTRACTS | EXPORTERS else module}.{name}"
        )
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(getattr(cls, "__abstractmethods__", ())))
        raise UnknownNameError(
            f"{kind} '{plugin.name}' of {plugin.package} is incomplete: {plugin.attribute} lacks {missing}, "
            f"which every {name} must have"
        )


def _named(cls: type[Any], plugin: Plugin, kind: str) -> type[Any]:
    own = vars(cls).get("name", plugin.name)
    if own != plugin.name:
        raise UnknownNameError(
            f"{kind} '{plugin.name}' of {plugin.package} calls itself '{own}': "
            f"the attribute `name` of {plugin.attribute} must equal its entry point"
        )
    cls.name = plugin.name
    return cls
