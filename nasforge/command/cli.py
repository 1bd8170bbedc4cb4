"""The `nasforge` command: it parses arguments, calls one function per command, and turns errors into sentences."""

from __future__ import annotations

import difflib
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasforge import __version__
from nasforge.command.messages import HELP, explained
from nasforge.command.streams import lasting
from nasforge.errors import OptionError
from nasforge.registry.entry_points import CONTRACTS

if TYPE_CHECKING:
    from omegaconf import DictConfig

_FLAGS = {
    *("-h", "--help", "--hydra-help", "--version", "--cfg", "-c", "--resolve", "--package", "-p", "--run", "-r"),
    *("--multirun", "-m", "--shell-completion", "-sc", "--config-path", "-cp", "--config-name", "-cn"),
    *("--config-dir", "-cd", "--info", "-i"),  # not --experimental-rerun, which reads a pickle
}
_WITH_VALUE = {
    *("--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name", "-cn", "--info", "-i"),
}
"""Flags that may be followed by their value as a separate word."""


def main() -> None:
    """The console script: run the command in `sys.argv` and exit with its status."""
    lasting()
    # Otherwise child processes would import from the working directory, which may be somebody else's run.
    os.environ.setdefault("PYTHONSAFEPATH", "1")
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status: 0, 1 for a bug, 2 for a user's mistake, 130 for Ctrl-C."""
    show_traceback = "1" in (os.environ.get("NASFORGE_TRACEBACK"), os.environ.get("HYDRA_FULL_ERROR"))
    warnings.showwarning = _warn
    try:
        _check_surroundings()
        command, words = _command(arguments)
        return _led(command, words) if _STARTERS & set(os.environ) else command(words)
    except BaseException as error:  # including a plug-in's SystemExit, which would end the command silently
        if show_traceback:
            traceback.print_exc()
        status, sentence = explained(error)
        print(f"nasforge: {sentence}", file=sys.stderr)
        return status


def _check_surroundings() -> None:
    """Raise an error for an environment in which torch or Lightning cannot be imported."""
    os.getcwd()  # fails if the working directory was removed
    for name in _RANKS & set(os.environ):
        if not os.environ[name].isdecimal():
            raise OptionError(
                f"the environment variable {name}={os.environ[name]} must be a whole number, 0 or more; launchers like "
                "torchrun and srun set it, and otherwise it must be unset"
            )


_RANKS = {"RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK"}
"""Environment variables that Lightning reads as numbers when it is imported."""
_STARTERS = {"TORCHELASTIC_RUN_ID", "SLURM_STEP_NUM_TASKS"}
"""Environment variables of launchers that may start this command in several processes: torchrun, srun."""


def _led(command: Callable[[list[str]], int], words: list[str]) -> int:
    """Run the command in the first process; the other processes take part in its fits."""
    from nasforge.training.ranks import follow_externally, release_externally

    if follow_externally():
        return 0
    try:
        return command(words)
    finally:
        release_externally()


def _warn(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    """Print a warning on one line, without its place in the source; skip deprecations, which are for developers."""
    if not issubclass(category, DeprecationWarning | PendingDeprecationWarning | FutureWarning):
        print(f"nasforge: warning: {message}", file=sys.stderr)


def _command(arguments: Sequence[str]) -> tuple[Callable[[list[str]], int], list[str]]:
    """Return the function for a command line, and its arguments."""
    words = list(arguments)
    if {"-h", "--help"} & set(words):
        return _say(HELP), []
    if "--version" in words:
        return _say(f"nasforge {__version__}\n"), []
    if words and not words[0].startswith(("-", "+", "~")) and "=" not in words[0]:
        if words[0] in COMMANDS:
            return COMMANDS[words[0]], words[1:]
        near = difflib.get_close_matches(words[0], COMMANDS, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise OptionError(f"no command '{words[0]}'.{hint} Commands: {', '.join(COMMANDS)}; options are KEY=VALUE")
    return _search, words


def _say(text: str) -> Callable[[list[str]], int]:
    def say(words: list[str]) -> int:
        sys.stdout.write(text)
        return 0

    return say


def _search(words: list[str]) -> int:
    """Run Hydra's own main: composition, sweeps, launchers, --cfg, tab completion."""
    import hydra

    from nasforge.command.sweep_summary import summed_up
    from nasforge.config.configuration import translated, with_new_words
    from nasforge.config.search_path import register

    for word in words:
        if word.startswith("-") and word.partition("=")[0] not in _FLAGS:
            near = difflib.get_close_matches(word, _FLAGS, n=1)
            raise OptionError(f"no option {word}.{f' Did you mean {near[0]}?' if near else ''} See nasforge --help")
    register()
    config_dir, others = _config_dir(words)
    flags = [] if config_dir is None else [f"--config-dir={config_dir}"]
    if {"-sc", "--shell-completion"} & set(words):
        _complete_commands()
    failures: list[BaseException] = []
    starter = os.getpid()

    def job(config: DictConfig) -> None:
        """Run one search: the only one, or a job of a sweep in any process of the launcher."""
        try:
            _job(config, starter, flags)
        except (Exception, SystemExit) as error:  # hidden from Hydra, which would add its own message
            failures.append(error)

    def hydra_main(words: Sequence[str]) -> None:
        sys.argv[1:] = [*flags, *_flags_last(words)]
        hydra.main(version_base="1.3", config_path="pkg://nasforge.conf", config_name="config")(job)()

    with _whole_errors(), translated([word for word in words if "=" in word]), summed_up(words):
        try:
            with_new_words(others, hydra_main, config_dir)
        except SystemExit as error:  # Hydra has printed what is wrong with its flags
            return int(error.code or 0)
    if failures:
        raise failures[0]
    return 0


def _flags_last(words: Sequence[str]) -> list[str]:
    """Return the words with flags and their values last: Hydra requires overrides to be adjacent."""
    overrides: list[str] = []
    flags: list[str] = []
    for before, word in zip(["", *words], words, strict=False):
        takes_it = before in _WITH_VALUE and "=" not in word
        (flags if word.startswith("-") or takes_it else overrides).append(word)
    return [*overrides, *flags]


@contextmanager
def _whole_errors() -> Iterator[None]:
    """Let Hydra raise errors inside this context instead of printing them; child processes inherit this."""
    name = "HYDRA_FULL_ERROR"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


def _complete_commands() -> None:
    """Complete our own commands, which Hydra does not know, and let Hydra complete the rest of the line."""
    first, *words = os.environ.get("COMP_LINE", "").split(" ")
    if len(words) == 1:
        print(*(name for name in COMMANDS if name.startswith(words[0])))
    os.environ["COMP_LINE"] = " ".join([first, *(word for word in words[:-1] if "=" in word), *words[-1:]])


def _job(config: DictConfig, starter: int, flags: list[str]) -> None:
    """Search with the configuration composed by Hydra; `flags` are recorded for repeating the command."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode
    from omegaconf import OmegaConf

    from nasforge.command.sweeps import Job, end_with
    from nasforge.config.configuration import check_choices, plain, translated

    def content() -> dict[str, Any]:
        check_choices(overrides)
        with translated(overrides):
            return plain(config)

    hydra_config = HydraConfig.get()
    overrides: Any = OmegaConf.to_container(hydra_config.overrides.task, resolve=False)
    folder = Path(hydra_config.runtime.output_dir)
    try:
        if hydra_config.mode == RunMode.MULTIRUN:
            warnings.showwarning = _warn
            end_with(starter)
            Job(hydra_config.job.num, [*flags, *overrides], folder, Path(hydra_config.sweep.dir)).do(content)
        else:
            from nasforge.experiment import experiment

            experiment.search(content(), folder, [*flags, *overrides])
    finally:
        if folder.is_dir() and not any(folder.iterdir()):  # Hydra creates it before any check
            folder.rmdir()


def _resume(words: list[str]) -> int:
    config_dir, words = _config_dir(words)
    folder = _run_folder("resume", words)
    from nasforge.experiment import experiment

    experiment.resume(folder, words[1:], config_dir=config_dir)
    return 0


def _retrain(words: list[str]) -> int:
    config_dir, words = _config_dir(words)
    named = bool(words) and (os.path.isdir(words[0]) or not ("=" in words[0] or words[0].startswith(("~", "-"))))
    from nasforge.command.own_options import chosen_names
    from nasforge.config.configuration import compose
    from nasforge.experiment import experiment
    from nasforge.experiment.named_retraining import retrain_named
    from nasforge.experiment.resumption import check_retraining, retrained
    from nasforge.journal.named import KINDS
    from nasforge.run.beginning import read_config

    names, overrides = chosen_names(words[1:] if named else words, KINDS)
    for word in overrides:
        if word.startswith("-"):
            raise OptionError(f"retrain takes KEY=VALUE and --config-dir, not {word}")
    if names and not named:
        raise OptionError(f"{next(iter(names))}= needs the folder of a search: nasforge retrain RUN {' '.join(words)}")
    if named:
        folder = _run_folder("retrain", words)
        config = retrained(read_config(folder), overrides, config_dir)
    else:
        check_retraining(overrides)
        composition = compose(overrides, config_dir=config_dir)
        folder, config = composition.folder, composition.config
    if names:
        retrain_named(config, folder, names)
    else:
        experiment.retrain(config, folder, run=named)
    return 0


def _report(words: list[str]) -> int:
    follow = "--follow" in words
    words = [word for word in words if word != "--follow"]
    folder = _run_folder("report", words)
    if len(words) > 1:
        raise OptionError(f"report takes only one run's folder and --follow, not also '{words[1]}'")
    from nasforge.experiment import experiment

    print(experiment.follow_report(folder) if follow else experiment.report(folder))
    return 0


def _export(words: list[str]) -> int:
    from nasforge.command.export import export_network

    config_dir, words = _config_dir(words)
    named = bool(words) and (os.path.isdir(words[0]) or not ("=" in words[0] or words[0].startswith(("~", "-"))))
    return export_network(words[named:], _run_folder("export", words) if named else None, config_dir)


def _compare(words: list[str]) -> int:
    from nasforge.compare.command import compare_runs

    return compare_runs(words)


def _simulate(words: list[str]) -> int:
    from nasforge.command.simulations import simulate_command

    config_dir, words = _config_dir(words)
    return simulate_command(words, config_dir)


def _verdict(words: list[str]) -> int:
    from nasforge.command.verdicts import verdict_command

    config_dir, words = _config_dir(words)
    return verdict_command(words, config_dir)


def _list(words: list[str]) -> int:
    from nasforge.diagnosis.listing import listing

    if "tables" in words:
        from nasforge.command.tables import listing as tables

        if words != ["tables"]:
            raise OptionError("list tables takes no other argument")
        print(tables() or "no installed package brings tables; nasforge-tables does")
        return 0
    kinds = [word for word in words if word != "--check"]
    for word in kinds:
        if word not in CONTRACTS:
            raise OptionError(f"list takes a kind ({', '.join(CONTRACTS)}, tables) and --check, not '{word}'")
    text, sound = listing(kinds or list(CONTRACTS), check="--check" in words)
    print(text)
    return 0 if sound else 1


def _table(words: list[str]) -> int:
    from nasforge.command.tables import table

    return table(words)


def _measure_latency(words: list[str]) -> int:
    from nasforge.command.latency import measure_latency

    config_dir, words = _config_dir(words)
    return measure_latency(words, config_dir)


def _doctor(words: list[str]) -> int:
    from nasforge.diagnosis.doctor import diagnosis

    if words:
        raise OptionError(f"doctor takes no argument, not '{words[0]}'")
    print(diagnosis())
    return 0


def _new_plugin(words: list[str]) -> int:
    from nasforge.diagnosis.new_plugin import new_plugin

    return new_plugin(words)


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "search": _search,
    "resume": _resume,
    "retrain": _retrain,
    "report": _report,
    "export": _export,
    "compare": _compare,
    "simulate": _simulate,
    "verdict": _verdict,
    "table": _table,
    "measure-latency": _measure_latency,
    "list": _list,
    "new-plugin": _new_plugin,
    "doctor": _doctor,
}


def _run_folder(command: str, words: list[str]) -> Path:
    """Return the first argument as a path: any existing folder, or an argument that looks like a folder's name."""
    if not words or not (os.path.isdir(words[0]) or not (words[0].startswith("-") or "=" in words[0])):
        raise OptionError(f"{command} needs a run's folder: nasforge {command} runs/...")
    return Path(words[0])


def _config_dir(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """Parse Hydra's option --config-dir for commands that Hydra does not run; return it and the other arguments."""
    config_dir, others, remaining = None, [], iter(words)
    for word in remaining:
        flag, equals, value = word.partition("=")
        if flag not in ("--config-dir", "-cd"):
            others.append(word)
        elif (config_dir := value if equals else next(remaining, "")) == "":
            raise OptionError(f"{flag} needs a folder of configurations: {flag} FOLDER")
    return config_dir, others
