"""From the words of a command to a plain, resolved configuration; Hydra's complaints become one clear sentence each."""

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
from nasforge.config.search_path import register
from nasforge.errors import NasforgeError, OptionError, UnknownNameError, text_of, unknown
from nasforge.registry.entry_points import CONTRACTS, registry
from nasforge.registry.options import unknown_key
from nasforge.registry.renamed import new_names, warn_of_old_names

SECTIONS = ("budget", "control", "retrain", *CONTRACTS, "trainer", "executor")
"""Parts of every configuration that hold keys of their own."""
GROUPS = ("data", "space", "estimator", "strategy", "trainer", "executor", "logger", "callbacks")
"""Those that are chosen by name; a strategy may choose its estimator, so that comes first."""
KEYS = (*SECTIONS, "logger", "callbacks", "seed", "architecture", "objectives", "constraints")
Composed = Callable[[Sequence[str]], DictConfig]
Used = TypeVar("Used")


def _gpu_in_turn() -> list[int] | int:
    """The GPU of this job of a sweep, as a trainer's devices; 1, any device, where there are none."""
    import torch

    count = torch.cuda.device_count()
    hydra: Any = HydraConfig.instance().cfg
    job = OmegaConf.select(hydra, "hydra.job.num") if hydra is not None else None
    return [int(job or 0) % count] if count else 1


# Here, since it must be known in whatever process a launcher runs a job in.
OmegaConf.register_new_resolver("gpu_in_turn", _gpu_in_turn, replace=True)


@dataclass(frozen=True)
class Composition:
    """What a list of overrides stands for.

    Attributes:
        config: plain and resolved, without Hydra's own part.
        folder: where a run of it goes.
        words: the overrides, options under the names of today.
    """

    config: dict[str, Any]
    folder: Path
    words: Sequence[str]


def compose(overrides: Sequence[str], *, config_dir: str | PathLike[str] | None = None) -> Composition:
    """Compose as the command line does.

    Args:
        config_dir: one more folder of configurations; those of nasforge and of installed packages come first.

    Raises:
        UnknownNameError: a plug-in, an experiment or another configuration that nobody has.
        OptionError: a key, a type or an override that cannot be; the message says what would be right.
    """
    check_choices(overrides)
    with translated(overrides):
        config, words = with_new_words(overrides, lambda words: _compose(words, config_dir), config_dir)
        return Composition(plain(config), Path(str(config.hydra.run.dir)), words)


def with_new_words(
    words: Sequence[str], use: Callable[[Sequence[str]], Used], config_dir: str | PathLike[str] | None = None
) -> tuple[Used, Sequence[str]]:
    """What `use` makes of the words, and the words. If they cannot be composed because of options that a plug-in has
    renamed, these get their new names, with a warning."""
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
    """The new name of each key of the words that is none of the configuration's, and an old name of a plug-in's."""
    parts = [_parts(word) for word in words]
    choices = [part for part in parts if part[1] in GROUPS or ("+" in part[0] and "." not in part[1])]
    first = [f"{signs}{key}{value if '[' in value else value.partition(',')[0]}" for signs, key, value in choices]
    try:
        config = _compose(first, config_dir)  # of the values that a sweep goes over, the first ones
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
    """Signs, key and value of an override, to be put together again: ("+", "experiment", "=mine")."""
    rest = word.lstrip("+~")
    key, equals, value = rest.partition("=")
    return word[: len(word) - len(rest)], key, equals + value


def check_choices(overrides: Sequence[str]) -> None:
    """Raise an `OptionError` for a list of choices that names one twice, which Hydra takes once without a word."""
    for word in overrides:
        group, _, listed = word.partition("=")
        names = re.findall(r"[\w-]+", listed) if group in GROUPS and listed.startswith("[") else []
        if twice := [name for name in names if names.count(name) > 1]:
            raise OptionError(f"{word} names {twice[0]} twice")


def recomposed(
    recorded: Mapping[str, Any], overrides: Sequence[str], *, config_dir: str | PathLike[str] | None = None
) -> dict[str, Any]:
    """A resolved configuration with what `overrides` change; what made it needs not be there any more.

    A group that is chosen anew (`data=arrays`, or by an experiment) begins from its own file; the choice that was
    recorded anyway keeps the recorded options.

    Raises:
        NasforgeError: as for `compose`.
    """
    check_whole(recorded)  # a key `defaults` or `hydra` of a file that anyone wrote would be obeyed
    for word in overrides:
        if word.startswith("~") and word[1:].partition("=")[0] in GROUPS:
            raise OptionError(f"{word} would leave nothing of a section that is needed; choose another one instead")

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
"""A recorded configuration's name among those that Hydra composes."""


def _literal(value: Any) -> Any:
    """A resolved value, so that OmegaConf finds no interpolation in it."""
    if isinstance(value, Mapping):
        return {key: _literal(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_literal(one) for one in value]
    return re.sub(r"(\\*)\$\{", r"\1\1\\${", value) if isinstance(value, str) else value


def plain(config: DictConfig) -> dict[str, Any]:
    """The configuration without Hydra's part, as dictionaries and lists; resolved, with every section and no other."""
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    content: Any = OmegaConf.to_container(own, resolve=True, throw_on_missing=True)
    check_whole(content)
    return dict(content)


def check_whole(content: Mapping[str, Any]) -> None:
    """Raise an `OptionError` unless all sections and keys that every configuration has are there, and no others."""
    for section in SECTIONS:
        if not isinstance(content.get(section), Mapping):
            raise OptionError(f"{section}={content.get(section)!r}: it must be a section of the configuration")
    for missing in {"seed", "architecture"} - set(content):
        raise OptionError(f"the configuration needs the key {missing}")
    for key in content:
        if key not in KEYS:
            raise unknown_key(str(key), KEYS)


def configured(kind: str, name: str) -> dict[str, Any]:
    """What the configuration of a plug-in gives its constructor, `name` included; what a user must give is "???".

    Raises:
        NasforgeError: there is no such configuration, or it cannot be composed with all else as it is by default.
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
    """Inside, what Hydra and OmegaConf raise becomes a `NasforgeError`.

    Args:
        composed: how to compose fewer words, to find out which section lacks a key; None: onto nasforge's defaults.
    """
    try:
        yield
    except (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError, TypeError) as error:
        if not (isinstance(error, HydraException | OmegaConfBaseException | yaml.YAMLError) or _raised_by_hydra(error)):
            raise
        raise _translation(error, overrides, composed or _compose) from error


def _raised_by_hydra(error: BaseException) -> bool:
    """Hydra refuses some arguments with a plain ValueError, or stumbles over them with a TypeError; one from a
    strategy's code must stay what it is."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals.get("__name__", "")).startswith("hydra.")


def _compose(
    overrides: Sequence[str], config_dir: str | PathLike[str] | None = None, base: str = "config"
) -> DictConfig:
    """The configuration with Hydra's own part."""
    register()
    own = [] if config_dir is None else [f"hydra.searchpath=[{quoted(_source(Path(config_dir)))}]"]
    with initialize_config_module("nasforge.conf", job_name="nasforge", version_base="1.3"):
        return hydra_compose(base, overrides=[*own, *overrides], return_hydra_config=True)


def _source(folder: Path) -> str:
    if not folder.is_dir():
        raise OptionError(f"--config-dir={folder}: there is no such folder")
    return f"file://{folder.absolute()}"


def quoted(text: str) -> str:
    """A text as the command's grammar takes it, whatever is in it."""
    # In the grammar a backslash is itself, unless a quote follows a row of them.
    escaped = re.sub(r"(\\*)'", r"\1\1\'", text)
    return "'" + re.sub(r"(\\+)$", r"\1\1", escaped) + "'"


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
        return OptionError("a part is chosen by its name, strategy=egnas say, or by a list of names, logger=[csv]")
    if isinstance(error, yaml.YAMLError):
        return OptionError(f"a configuration file is not YAML: {_line(error)}")
    return OptionError(f"the words of the command do not go together: {_line(error)}")


def _missing(error: MissingConfigException) -> NasforgeError:
    group, _, name = str(error.missing_cfg_file or "").rpartition("/")
    if group in CONTRACTS and (plugins := registry(group).plugins.get(name)):
        try:
            _ = registry(group)[name]  # what keeps the class from being used is the better reason
        except NasforgeError as reason:
            return reason
        return UnknownNameError(
            f"{group} '{name}' of {plugins[0].package} has no configuration: "
            f"the package must bring {group}/{name}.yaml in a folder of the entry-point group nasforge.conf"
        )
    if group == "hydra/launcher" and name in LAUNCHERS:
        said = unknown(group, name, error.options or _choices(group))
        return UnknownNameError(f"{said} To have it: {install_line(LAUNCHERS[name])}")
    if group:
        return unknown(group, name, error.options or _choices(group))
    return UnknownNameError(_line(error))


def _choices(group: str) -> Sequence[str]:
    """What a group offers; Hydra does not say so when one item of a list is wrong."""
    register()
    with initialize_config_module("nasforge.conf", job_name="nasforge", version_base="1.3"):
        return GlobalHydra.instance().config_loader().get_group_options(group)


def _unreadable(error: OverrideParseException) -> OptionError:
    if "=" not in error.override and not error.override.startswith("~"):
        return OptionError(f"'{error.override}' is not KEY=VALUE; strategy=egnas would be")
    return OptionError(
        f"'{error.override}' cannot be read ({_line(error)}); "
        "a value with special characters goes into quotes, 'key=\"value\"' say"
    )


def _impossible(error: ConfigCompositionException, overrides: Sequence[str], composed: Composed) -> NasforgeError:
    said = str(error)
    if ambiguous := re.match(r"(?:Ambiguous value for argument|Sweep parameters) '(.*?)'", said):
        return OptionError(f"{ambiguous[1]} has several values: add -m to sweep over them, or write [a,b] for a list")
    if wrong := re.match(r"Could not override '(?:[^']*@)?([^']*)'", said):
        if "No match in the defaults list" in said:
            return OptionError(f"{wrong[1]}= chooses nothing by default; write +{wrong[1]}=NAME")
        return _unknown_key(wrong[1], overrides, composed)
    return OptionError(f"the configuration cannot be composed: {_line(error)}")


def _unknown_key(key: str, overrides: Sequence[str], composed: Composed) -> NasforgeError:
    """Find the section that lacks a key by composing only the choices of plug-ins, without values."""
    if key.startswith("hydra."):
        return OptionError(
            f"there is no option {key}; `nasforge --cfg hydra` shows those of Hydra (another hydra/launcher=NAME has "
            f"others), and +{key}=VALUE adds one"
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
    """An error's message, and its cause's, on one line."""
    return " ".join(map(text_of, filter(None, [error, error.__cause__])))
