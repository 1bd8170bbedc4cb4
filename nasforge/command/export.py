"""The command `nasforge export`: its arguments, and what it prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from nasforge.errors import OptionError

if TYPE_CHECKING:
    from nasforge.export.loaded_run import LoadedRun

USAGE = "nasforge export RUN [--to FORMAT,...] [--seed N] [--out FOLDER] [--fold]"


def export_network(words: Sequence[str], named: Path | None, config_dir: str | None) -> int:
    """Write a network in each of the formats after `--to`.

    Args:
        words: flags, and if `named` is None the configuration of an architecture as KEY=VALUE.
        named: the run's folder; None: `architecture=` says what is exported, with random weights.
    """
    flags, overrides = _parsed(words)
    from nasforge.config.configuration import compose
    from nasforge.export.found import found_in, untrained
    from nasforge.export.loaded_run import load
    from nasforge.export.writing import defaults, export, exporters, lacking

    chosen_by_user = "to" in flags
    names = list(dict.fromkeys(str(flags.pop("to")).split(","))) if chosen_by_user else defaults()
    seed, out, fold = flags.pop("seed", None), flags.pop("out", None), bool(flags.pop("fold", False))
    left_out = {} if chosen_by_user or flags else {name: packages for name in names if (packages := lacking(name))}
    chosen = exporters([name for name in names if name not in left_out], flags)
    if named is None:
        found, folder = untrained(compose(overrides, config_dir=config_dir).config, fold=fold), Path("export")
        elsewhere = []
    else:
        if overrides:
            raise OptionError(f"export of a run takes flags only, not {overrides[0]}: {USAGE}")
        run = load(named, seed=seed)
        found, folder, elsewhere = found_in(run, fold=fold), named / "export", _trained_again(run)
    folder = Path(str(out)) if out is not None else folder
    print(found.title)
    for line in elsewhere:
        print(line)
    for written in export(found, chosen, folder):
        print(f"{written.exporter}: {', '.join(map(str, written.paths))}")
        print(f"  same logits as the network{f', to {written.error:.0e} of the largest' if written.error else ''}")
        for note in written.notes:
            print(f"  {note}")
    for name, packages in left_out.items():
        print(f"{name}: not written; it needs packages that are not installed: pip install {' '.join(packages)}")
    return 0


def _trained_again(run: LoadedRun) -> list[str]:
    """Say which other folders hold networks of the architecture that this run trained itself."""
    others = run.later_trainings if run.training.folder == run.folder else []
    trained = [(other.folder, other.result.retrain.duration) for other in others if other.result.retrain]
    return [f"{folder} trained it for {duration}: nasforge export {folder}" for folder, duration in trained]


def _parsed(words: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Split into flags, with their values, and other words. A flag without a value is true."""
    flags: dict[str, Any] = {}
    overrides: list[str] = []
    remaining = iter(words)
    for word in remaining:
        if not word.startswith("--"):
            overrides.append(word)
            continue
        flag, equals, value = word[2:].partition("=")
        if flag in ("to", "seed", "out") and not equals:
            value = next(remaining, "")
            if not value or value.startswith("--"):
                raise OptionError(f"--{flag} needs a value: {USAGE}")
            equals = "="
        flags[flag.replace("-", "_")] = value if flag in ("to", "out") else _value(flag, value) if equals else True
    seed = flags.get("seed")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
        raise OptionError(f"--seed={seed}: it must be the number of a training, such as 0")
    return flags, overrides


def _value(flag: str, text: str) -> Any:
    """Return the value of a flag, which is written as in YAML."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise OptionError(f"--{flag}={text}: it must be a number, a word, or true or false") from None
