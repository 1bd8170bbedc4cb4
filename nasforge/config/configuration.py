"""Compose a plain, resolved configuration from a command's arguments; each error of Hydra becomes one sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import yaml
from hydra import compose as hydra_compose, initialize_config_module
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError, MissingMandatoryValue, OmegaConfBaseException

from nasforge.config.extras import LAUNCHERS, install_line
from nasforge.config.overrides import quoted
from nasforge.config.search_path import register
from nasforge.errors import NasforgeError, OptionError, UnknownNameError, text_of, unknown
from nasforge.registry.entry_points import CONTRACTS, registry
from nasforge.registry.options import unknown_key
from nasforge.registry.renamed import new_names, warn_of_old_names

SECTIONS = ("budget", "control", "retrain", *CONTRACTS, "trainer", "executor")
"""Keys of every configuration that hold keys themselves."""
GROUPS = ("data", "space", "estimator", "strategy", "trainer", "executor", "logger", "callbacks")
"""Groups whose members are chosen by name. A strategy may choose its estimator, so the estimator comes first."""
KEYS = (*SECTIONS, "logger", "callbacks", "seed", "architecture", "objectives", "constraints")
Composed = Callable[[Sequence[str]], DictConfig]
Used = TypeVar("Used")


def _gpu_in_turn() -> list[int] | int:
    """Return the GPU of this job of a sweep as a trainer's devices; 1 (any device) on a machine without GPUs."""
    import torch

    count = torch.cuda.device_count()
    hydra: Any = HydraConfig.instance().cfg
    job = OmegaConf.select(hydra, "hydra.job.num") if hydra is not None else None
    return [int(job or 0) % count] if count else 1


# Registered on import, because a launcher may run a job in another process.
OmegaConf.register_new_resolver("gpu_in_turn", _gpu_in_turn, replace=True)


@dataclass(frozen=True)
class Composition:
    """The result of composing a list of overrides.

    Attributes:
        config: plain and resolved, without Hydra's own part.
        folder: the folder for its run.
        words: the overrides, with the current names of options.
    """

    config: dict[str, Any]
    folder: Path
    words: Sequence[str]


def compose(overrides: Sequence[str], *, config_dir: str | PathLike[str] | None = None) -> Composition:
    """Compose a configuration as the command line does.

    Args:
        config_dir: one more folder of configurations; those of nasforge and of installed packages come first.

    Raises:
        UnknownNameError: there is no such plug-in, experiment or other configuration.
        OptionError: a key, a type or an override is invalid; the message says what would be right.
    """
    with translated(overrides):
        config, words = with_new_words(overrides, lambda words: _compose(words, config_dir), config_dir)
        return Composition(plain(config), Path(str(config.hydra.run.dir)), words)


def with_new_words(
    words: Sequence[str], use: Callable[[Sequence[str]], Used], config_dir: str | PathLike[str] | None = None
) -> tuple[Used, Sequence[str]]:
    """Return `use(words)` and the words. If they contain options that a plug-in has renamed, replace these and warn."""
    check_choices(words)
    try:
        return use(words), words
    except ConfigCompositionException:
        names = _renamed(words, config_dir)
        if not names:
            raise
    warn_of_old_names(names)
    renewed = [f"{signs}{names.get(key, key)}{value}" for signs, key, value in map(_parts, words)]
    return use(renewed), renewed


def _renamed(words: Sequence[str], config_dir: str | PathLike[str] | None) -> dict[str, str]:
    """Return the new name of each key that the configuration lacks and that is an old name of a plug-in's option."""
    parts = [_parts(word) for word in words]
    choices = [part for part in parts if part[1] in GROUPS or ("+" in part[0] and "." not in part[1])]
    first = [f"{signs}{key}{value if '[' in value else value.partition(',')[0]}" for signs, key, value in choices]
    try:
        config = _compose(first, config_dir)  # with the first values of a sweep
    except HydraException:
        return {}
    names: dict[str, str] = {}
    for _, key, _ in parts:
        section, _, option = key.rpartition(".")
        kind, node = section.partition(".")[0], OmegaConf.select(config, section) if section else None
        name = node.get("name") if kind in CONTRACTS and isinstance(node, DictConfig) and option not in node else None
        if name is not None and (new := new_names(registry(kind)[name]).get(option)):
            names[key] = f"{section}.{new}"
    return names


def _parts(word: str) -> tuple[str, str, str]:
    """Split an override into signs, key and value, whose sum is the override: ("+", "experiment", "=mine")."""
    rest = word.lstrip("+~")
    key, equals, value = rest.partition("=")
    return word[: len(word) - len(rest)], key, equals + value


def check_choices(overrides: Sequence[str]) -> None:
    """Raise an `OptionError` for a group that is removed, chosen by anything but names, or given one name twice."""
    for word in overrides:
        group, _, value = word.lstrip("~").partition("=")
        if group not in GROUPS:
            continue
        if word.startswith("~") and group in SECTIONS:
            raise OptionError(f"{word} removes a section that is required; choose another one with {group}=NAME")
        if value.startswith("{") or value.lower() == "null":
            raise OptionError(
                f"{word} must name a plug-in, as in {group}=NAME; options are set one by one, as in {group}.KEY=VALUE"
            )
        names = re.findall(r"[\w-]+", value) if re.fullmatch(r"\[[^][]*\]", value) else []
        if twice := [name for name in names if names.count(name) > 1]:
            raise OptionError(f"{word} names {twice[0]} twice")


def recomposed(
    recorded: Mapping[str, Any], overrides: Sequence[str], *, config_dir: str | PathLike[str] | None = None
) -> dict[str, Any]:
    """Apply `overrides` to a resolved configuration, whose own files need not exist any more.

    A group with a new choice (`data=arrays`, or through an experiment) starts from that choice's file; the recorded
    choice keeps the recorded options.

    Raises:
        NasforgeError: as for `compose`.
    """
    check_whole(recorded)  # Hydra would obey a key `defaults` or `hydra`, and anyone may have written the file
    check_choices(overrides)

    def composed(words: Sequence[str], base: Mapping[str, Any] = recorded) -> DictConfig:
        nothing_chosen: list[Any] = [{group: [] if group == "estimator" else None} for group in GROUPS]
        ConfigStore.instance().store(_RECORDED, {"defaults": [*nothing_chosen, "_self_"], **_literal(base)})
        return _compose(words, config_dir, _RECORDED)

    with translated(overrides, composed):
        config = composed(overrides)
        choices = {group: name for group, name in config.hydra.runtime.choices.items() if group in GROUPS and name}
        anew = [group for group, name in choices.items() if name != (recorded.get(group) or {}).get("name")]
        if anew:
            config = composed(overrides, {key: recorded[key] for key in recorded if key not in anew})
        return plain(config)


_RECORDED = "nasforge_recorded"
"""The name under which Hydra composes a recorded configuration."""


def _literal(value: Any) -> Any:
    """Return a resolved value, escaped so that OmegaConf finds no interpolation in it."""
    if isinstance(value, Mapping):
        return {key: _literal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_literal(item) for item in value]
    return re.sub(r"(\\*)\$\{", r"\1\1\\${", value) if isinstance(value, str) else value


def plain(config: DictConfig) -> dict[str, Any]:
    """Return the resolved configuration as dictionaries and lists, without Hydra's part; check that it is complete."""
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    content: Any = OmegaConf.to_container(own, resolve=True, throw_on_missing=True)
    check_whole(content)
    return dict(content)


def check_whole(content: Mapping[str, Any]) -> None:
    """Raise an `OptionError` unless the configuration has exactly the sections and keys that it must have."""
    for section in SECTIONS:
        if not isinstance(content.get(section), Mapping):
            raise OptionError(f"{section}={content.get(section)!r}: it must be a section of the configuration")
    for missing in {"seed", "architecture"} - set(content):
        raise OptionError(f"the configuration needs the key {missing}")
    for key in content:
        if key not in KEYS:
            raise unknown_key(str(key), KEYS)


def configured(kind: str, name: str) -> dict[str, Any]:
    """Return a plug-in's configuration, including `name`; options that a user must give are "???".

    Raises:
        NasforgeError: there is no such configuration, or it cannot be composed with the defaults.
    """
    overrides = [f"{kind}=[{name}]" if kind == "estimator" else f"{kind}={name}"]
    with translated(overrides):
        content: Any = OmegaConf.to_container(_compose(overrides)[kind], resolve=True, throw_on_missing=False)
    options = content.get(name) if kind == "estimator" else content
    if not isinstance(options, dict):
        raise OptionError(f"estimator/{name}.yaml must begin with the line `# @package estimator.{name}`")
    return options


@contextmanager
def translated(overrides: Sequence[str], composed: Composed | None = None) -> Iterator[None]:
    """Turn errors of Hydra and OmegaConf inside this context into a `NasforgeError`.

    Args:
        composed: composes some of the overrides, to find out which section lacks a key; None: with the defaults.
    """
    try:
        yield
    except (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError, TypeError) as error:
        if not (isinstance(error, HydraException | OmegaConfBaseException | yaml.YAMLError) or _raised_by_hydra(error)):
            raise
        raise _translation(error, overrides, composed or _compose) from error


def _raised_by_hydra(error: BaseException) -> bool:
    """Whether Hydra raised a plain ValueError or TypeError about an argument; one from a strategy's code is a bug."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals.get("__name__", "")).startswith("hydra.")


def _compose(
    overrides: Sequence[str], config_dir: str | PathLike[str] | None = None, base: str = "config"
) -> DictConfig:
    """Return the configuration with Hydra's own part."""
    register()
    own = [] if config_dir is None else [f"hydra.searchpath=[{quoted(_source(Path(config_dir)))}]"]
    with initialize_config_module("nasforge.conf", job_name="nasforge", version_base="1.3"):
        return hydra_compose(base, overrides=[*own, *overrides], return_hydra_config=True)


def _source(folder: Path) -> str:
    if not folder.is_dir():
        raise OptionError(f"--config-dir={folder}: there is no such folder")
    return f"file://{folder.absolute()}"


def _translation(error: Exception, overrides: Sequence[str], composed: Composed) -> NasforgeError:
    if isinstance(error, MissingConfigException):
        return _missing(error)
    if isinstance(error, OverrideParseException):
        return _unreadable(error)
    if isinstance(error, MissingMandatoryValue) or isinstance(error.__cause__, MissingMandatoryValue):
        key = getattr(error, "full_key", None) or getattr(error.__cause__, "full_key", "")
        return OptionError(f"{key} must be given: add {key}=VALUE")
    if isinstance(error, ConfigCompositionException):
        return _impossible(error, overrides, composed)
    if isinstance(error, InterpolationResolutionError):
        return OptionError(f"{error.full_key} cannot be resolved: {str(error).splitlines()[0]}")
    if isinstance(error, TypeError) or "Config group override must be" in str(error):
        return OptionError(
            "choose a plug-in by its name, as in strategy=egnas, or several by a list, as in logger=[csv]"
        )
    if isinstance(error, yaml.YAMLError):
        return OptionError(f"a configuration file is not YAML: {_line(error)}")
    return OptionError(f"the command's arguments contradict each other: {_line(error)}")


def _missing(error: MissingConfigException) -> NasforgeError:
    group, _, name = str(error.missing_cfg_file or "").rpartition("/")
    if group in CONTRACTS and (plugins := registry(group).plugins.get(name)):
        try:
            _ = registry(group)[name]
        except NasforgeError as reason:  # if the class is broken too, that is the better reason
            return reason
        return UnknownNameError(
            f"{group} '{name}' of {plugins[0].package} has no configuration: "
            f"the package must have {group}/{name}.yaml in a folder of the entry-point group nasforge.conf"
        )
    if group == "hydra/launcher" and name in LAUNCHERS:
        missing = unknown(group, name, error.options or _choices(group))
        return UnknownNameError(f"{missing} Install it with: {install_line(LAUNCHERS[name])}")
    return unknown(group, name, error.options or _choices(group)) if group else UnknownNameError(_line(error))


def _choices(group: str) -> Sequence[str]:
    """Return a group's members, which Hydra's error lacks if an item of a list is wrong."""
    register()
    with initialize_config_module("nasforge.conf", job_name="nasforge", version_base="1.3"):
        return GlobalHydra.instance().config_loader().get_group_options(group)


def _unreadable(error: OverrideParseException) -> OptionError:
    if "=" not in error.override and not error.override.startswith("~"):
        return OptionError(f"'{error.override}' is not KEY=VALUE, as strategy=egnas is")
    return OptionError(
        f"'{error.override}' cannot be read ({_line(error)}); quote a value with special characters: 'key=\"value\"'"
    )


def _impossible(error: ConfigCompositionException, overrides: Sequence[str], composed: Composed) -> NasforgeError:
    message = str(error)
    if ambiguous := re.match(r"(?:Ambiguous value for argument|Sweep parameters) '(.*?)'", message):
        return OptionError(f"{ambiguous[1]} has several values: add -m to sweep over them, or write [a,b] for a list")
    if wrong := re.match(r"Could not override '(?:[^']*@)?([^']*)'", message):
        if "No match in the defaults list" in message:
            return OptionError(f"{wrong[1]} has no default choice to replace; write +{wrong[1]}=NAME")
        return _unknown_key(wrong[1], overrides, composed)
    return OptionError(f"the configuration cannot be composed: {_line(error)}")


def _unknown_key(key: str, overrides: Sequence[str], composed: Composed) -> NasforgeError:
    """Find the section that lacks a key by composing only the choices of plug-ins, without other options."""
    if key.startswith("hydra."):
        return OptionError(
            f"there is no option {key}; `nasforge --cfg hydra` shows Hydra's options (they depend on "
            f"hydra/launcher=NAME), and +{key}=VALUE adds one"
        )
    choices = [override for override in overrides if "." not in override.partition("=")[0]]
    try:
        node: Any = composed([choice for choice in choices if choice.partition("=")[0] != key])
    except HydraException:
        return OptionError(f"there is no option {key}")
    path: list[str] = []
    for part in key.split("."):
        if not isinstance(node, DictConfig):
            return OptionError(f"{'.'.join(path)} is a single value: it has no option {part}")
        path.append(part)
        if part not in node:
            groups = {str(name): group for name, group in node.items() if isinstance(group, DictConfig) and path[1:]}
            grouped = [f"{name}.{option!s}" for name, group in groups.items() for option in group]
            return unknown_key(".".join(path), [str(name) for name in node if name != "name"], grouped)
        node = node[part]
    return OptionError(f"{key} cannot be set")


def _line(error: BaseException) -> str:
    """Return the messages of an error and of its cause on one line."""
    return " ".join(map(text_of, filter(None, [error, error.__cause__])))
