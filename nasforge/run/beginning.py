"""How a run began: the first line of its journal, which every later start must match."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from nasforge.errors import RunError
from nasforge.journal.journal import Journal, atomic, content, read_first, write_json
from nasforge.journal.records import read_yaml, well_formed, yaml_of
from nasforge.journal.run_folder import RunFolder
from nasforge.registry.user_modules import check_importable
from nasforge.run.identity import differences
from nasforge.training.recipe import with_recipe

_SECTIONS = ("budget", "control", "retrain", "space", "strategy", "estimator", "data", "trainer", "executor")
Config = dict[str, Any]


@dataclass(frozen=True)
class Beginning:
    """Everything that defines a run. A folder becomes the folder of a run when its journal has this line.

    Attributes:
        command: the command that `nasforge resume` continues.
        config: the configuration as resolved at the first start.
        words: arguments of the command line; of a retraining, those that make the same without the search's folder.
        data: fingerprint of the data; empty if the run reads none.
        architecture: the architecture that a retraining trains, as JSON; None in a search.
        called: the architecture's name for people: "found", "given", or the name of a published one.
        space: fingerprint of the space; empty if its options define it.
    """

    kind: ClassVar = "begin"

    command: Literal["search", "retrain"]
    config: Mapping[str, Any]
    words: Sequence[str]
    data: str
    architecture: Mapping[str, Any] | None = None
    called: str = "found"
    space: str = ""

    @property
    def command_line(self) -> str:
        """The command that makes the same search or retraining anywhere."""
        words = [word for word in self.words if not word.lstrip("+").startswith("hydra.")]
        given = {word.lstrip("+").partition("=")[0] for word in words}
        # These have defaults that the time and the machine determine, and are part of what the run computes.
        fixed = {"seed": self.config["seed"], "executor.threads": self.config["executor"].get("threads")}
        words += [f"{key}={value}" for key, value in fixed.items() if key not in given and value is not None]
        return shlex.join(["nasforge", *(["retrain"] if self.command == "retrain" else []), *words])

    def journal(self, folder: Path) -> Journal:
        """Make `folder` the folder of a run, complete even if killed early: `resume` writes what is missing.

        Raises:
            RunError: it already holds a run.
        """
        journal = Journal(folder, {"kind": self.kind, "key": "", **asdict(self)})
        self.restore(folder, self.config)
        return journal

    def restore(self, folder: Path, config: Mapping[str, Any]) -> None:
        """Write the files for people, with the `config` of this start."""
        with atomic(RunFolder(folder).config) as temporary:
            temporary.write_text(yaml_of(config), encoding="utf-8")
        if self.command == "search":  # a retraining has those of its search
            write_json(RunFolder(folder).words, list(self.words))

    def nothing_done(self, journal: Journal) -> bool:
        """Return whether the run ended before it had done anything that `resume` could continue."""
        kinds = {line["kind"] for line in journal.lines}
        return kinds <= {self.kind, "clock"} and not RunFolder(journal.path.parent).fits.exists()

    @classmethod
    def of(cls, folder: Path) -> Beginning:
        """Read the beginning of the run in `folder`.

        Raises:
            RunError: there is no run, or its journal does not say how it began.
        """
        if not folder.is_dir():
            raise RunError(f"there is no folder {folder}")
        path = RunFolder(folder).journal
        if not path.is_file():
            raise RunError(f"{folder} is not a run's folder: it has no {path.name}")
        line = read_first(folder)
        if line is None:
            raise RunError(
                f"{path} is damaged: its first line says how the run began; restore the file from a copy, or start "
                "a new run in another folder"
            )
        if line["kind"] != cls.kind:
            raise RunError(
                f"the run in {folder} was begun by an earlier nasforge, whose journals do not say by which command; "
                "start it anew in another folder (report and compare still read this one)"
            )
        with well_formed(folder):
            beginning = cls(**content(line))
            _check_sections(path, beginning.config)
        return beginning

    @classmethod
    def if_known(cls, folder: Path) -> Beginning | None:
        """Do the same as `of`; return None if the folder has no journal, or one of an earlier nasforge."""
        line = read_first(folder)
        return cls.of(folder) if line is not None and line["kind"] == cls.kind else None

    def config_now(self, folder: Path) -> Config:
        """Return the configuration of the last start: `config.yaml`, which may differ in how the run computes.

        Raises:
            RunError: it is damaged, or differs in what the run computes.
            OptionError: it names a module that the user has not allowed.
        """
        path = RunFolder(folder).config
        if not path.exists():
            check_importable(self.config)
            return dict(self.config)
        remedy = f"restore it, or delete {path}: `nasforge resume` writes it again"
        try:
            config: Config = read_yaml(path)
        except RunError as error:
            raise RunError(f"{error}; {remedy}") from None
        if changed := differences(self.config, config):
            raise RunError(f"{path} was changed: {', '.join(changed[:3])}; {remedy}")
        sections = [key for key, value in self.config.items() if isinstance(value, Mapping)]
        if wrong := [key for key in sections if not isinstance(config.get(key), Mapping)]:
            raise RunError(f"{path} is damaged: {wrong[0]} must hold keys and values; {remedy}")
        check_importable(config)
        return config


def chosen(words: Sequence[str], group: str) -> str | None:
    """Return the plug-in or preset of a group that a command's arguments choose; None if they choose none."""
    names = [word.partition("=")[2].strip("'\"") for word in words if word.startswith(f"{group}=")]
    return names[-1] if names else None


def read_config(folder: Path) -> Config:
    """Return the resolved configuration of a run's last start, with defaults for options that came later.

    Raises:
        RunError: `folder` holds no run, or its configuration is damaged or was changed.
    """
    if (beginning := Beginning.if_known(folder)) is not None:
        return with_recipe(beginning.config_now(folder))
    if not folder.is_dir():
        raise RunError(f"there is no folder {folder}")
    path = RunFolder(folder).config
    if not path.exists():
        raise RunError(f"{folder} is not a run's folder: it has no {path.name}")
    config: Config = read_yaml(path)
    _check_sections(path, config)
    check_importable(config)
    return with_recipe(config)


def _check_sections(path: Path, config: Mapping[str, Any]) -> None:
    """Raise a `RunError` if a configuration lacks the seed or a section."""
    if "seed" not in config or (wrong := [key for key in _SECTIONS if not isinstance(config.get(key), Mapping)]):
        lacking = "seed" if "seed" not in config else f"section {wrong[0]}"
        raise RunError(f"{path} is damaged: its configuration has no {lacking}; restore it from a copy")
