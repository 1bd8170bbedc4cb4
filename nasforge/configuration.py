"""From the words of a command to a plain, resolved configuration; Hydra's complaints become one clear sentence each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hydra import compose as hydra_compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from nasforge.errors import NasforgeError, OptionError, UnknownNameError, text_of, unknown
from nasforge.extras import LAUNCHERS, install_line
from nasforge.options import unknown_key
from nasforge.registry import CONTRACTS, registry
from nasforge.search_path import register

SECTIONS = ("budget", "control", "retrain", *CONTRACTS, "trainer", "executor")
"""Parts of every configuration that hold keys of their own."""


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
    """

    config: dict[str, Any]
    folder: Path


def compose(overrides: Sequence[str]) -> Composition:
    """Compose as the command line does.

    Raises:
        UnknownNameError: a plug-in, an experiment or another configuration that nobody has.
        OptionError: a key, a type or an override that cannot be; the message says what would be right.
    """
    with translated(overrides):
        config, folder = _compose(overrides)
        return Composition(plain(config), folder)


def plain(config: DictConfig) -> dict[str, Any]:
    """The configuration as dictionaries and lists, interpolations resolved, every section present."""
    content: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    check_whole(content)
    return dict(content)


def check_whole(content: Mapping[str, Any]) -> None:
    """Raise an `OptionError` unless all sections and keys that every configuration has are there."""
    for section in SECTIONS:
        if not isinstance(content.get(section), Mapping):
            raise OptionError(f"{section}={content.get(section)!r}: it must be a section of the configuration")
    for missing in {"seed", "architecture"} - set(content):
        raise OptionError(f"the configuration needs the key {missing}")


def configured(kind: str, name: str) -> dict[str, Any]:
    """What the configuration of a plug-in gives its constructor, `name` included; what a user must give is "???".

    Raises:
        NasforgeError: there is no such configuration, or it cannot be composed with all else as it is by default.
    """
    overrides = [f"{kind}=[{name}]" if kind == "estimator" else f"{kind}={name}"]
    with translated(overrides):
        content: Any = OmegaConf.to_container(_compose(overrides)[0][kind], resolve=True, throw_on_missing=False)
    options = content.get(name) if kind == "estimator" else content
    if not isinstance(options, dict):
        raise OptionError(f"estimator/{name}.yaml must begin with the line `# @package estimator.{name}`")
    return options


@contextmanager
def translated(overrides: Sequence[str]) -> Iterator[None]:
    """Inside, what Hydra and OmegaConf raise becomes a `NasforgeError`."""
    try:
        yield
    except (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError) as error:
        if not (isinstance(error, HydraException | OmegaConfBaseException | yaml.YAMLError) or _raised_by_hydra(error)):
            raise
        raise _translation(error, overrides) from error


def _raised_by_hydra(error: BaseException) -> bool:
    """Hydra refuses some arguments with a plain ValueError; one from a strategy's code must stay what it is."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals.get("__name__", "")).startswith("hydra.")


def _compose(overrides: Sequence[str]) -> tuple[DictConfig, Path]:
    """The configuration without Hydra's part, and the run's folder, which stands in that part."""
    register()
    with initialize_config_module("nasforge.conf", job_name="nasforge", version_base="1.3"):
        config = hydra_compose("config", overrides=list(overrides), return_hydra_config=True)
    folder = Path(str(config.hydra.run.dir))
    with open_dict(config):
        del config["hydra"]
    return config, folder


def _translation(error: Exception, overrides: Sequence[str]) -> NasforgeError:
    if isinstance(error, MissingConfigException):
        return _missing(error)
    if isinstance(error, OverrideParseException):
        return _unreadable(error)
    if isinstance(error, MissingMandatoryValue) or isinstance(error.__cause__, MissingMandatoryValue):
        key = getattr(error, "full_key", None) or getattr(error.__cause__, "full_key", "")
        return OptionError(f"{key} must be given: add {key}=VALUE")
    if isinstance(error, ConfigCompositionException):
        return _impossible(error, overrides)
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


def _impossible(error: ConfigCompositionException, overrides: Sequence[str]) -> NasforgeError:
    said = str(error)
    if ambiguous := re.match(r"(?:Ambiguous value for argument|Sweep parameters) '(.*?)'", said):
        return OptionError(f"{ambiguous[1]} has several values: add -m to sweep over them, or write [a,b] for a list")
    if wrong := re.match(r"Could not override '(?:[^']*@)?([^']*)'", said):
        if "No match in the defaults list" in said:
            return OptionError(f"{wrong[1]}= chooses nothing by default; write +{wrong[1]}=NAME")
        return _unknown_key(wrong[1], overrides)
    return OptionError(f"the configuration cannot be composed: {_line(error)}")


def _unknown_key(key: str, overrides: Sequence[str]) -> NasforgeError:
    """Find the section that lacks a key by composing only the choices of plug-ins, without values."""
    if key.startswith("hydra."):
        return OptionError(
            f"there is no option {key}; `nasforge --cfg hydra` shows those of Hydra (another hydra/launcher=NAME has "
            f"others), and +{key}=VALUE adds one"
        )
    choices = [override for override in overrides if "." not in override.partition("=")[0]]
    try:
        node: Any = _compose([choice for choice in choices if choice.partition("=")[0] != key])[0]
    except HydraException:
        return OptionError(f"there is no option {key}")
    path: list[str] = []
    for part in key.split("."):
        if not isinstance(node, DictConfig):
            return OptionError(f"{'.'.join(path)} is a single value: it has no option {part}")
        path.append(part)
        if part not in node:
            return unknown_key(".".join(path), [str(name) for name in node if name != "name"])
        node = node[part]
    return OptionError(f"{key} cannot be set")


def _line(error: BaseException) -> str:
    """An error's message, and its cause's, on one line."""
    return " ".join(map(text_of, filter(None, [error, error.__cause__])))
