"""From a configuration to a result in a folder: search, resume, retrain, report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nasforge.architecture import Architecture, Evaluation
from nasforge.drawing import draw_cell
from nasforge.environment import environment
from nasforge.errors import OptionError, RunError
from nasforge.goals import TRAINING_TIME, Goals
from nasforge.journal import Journal, atomic, digest, write_json
from nasforge.machinery import device_of
from nasforge.next_steps import next_steps
from nasforge.parts import Parts
from nasforge.published import true_accuracies
from nasforge.report import write_report
from nasforge.resumption import computed_as, resumed
from nasforge.retraining import retrain as retrain_networks
from nasforge.run import Run
from nasforge.run_folders import read_yaml
from nasforge.shared_weights import SharedWeights, random_architectures
from nasforge.sizes import architecture_size
from nasforge.stopping import Interrupted, interruptible
from nasforge.strategy import Result
from nasforge.summary import print_summary
from nasforge.threads import threads
from nasforge.verdicts import control_verdict

Config = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What a command left behind.

    Attributes:
        folder: the run's folder.
        architecture: the one found (or retrained).
        result: the content of its `result.json`.
    """

    folder: Path
    architecture: Architecture
    result: Mapping[str, Any]


def search(config: Config, folder: Path, overrides: Sequence[str] = ()) -> Outcome:
    """Search as `config` says and leave everything in `folder`, which must not hold a run yet.

    Args:
        config: resolved, as `configuration.compose` makes it.
        overrides: the command line's words, recorded for whoever types the command again.

    Raises:
        NasforgeError: the configuration, the data or the folder is wrong; nothing has been written then.
    """
    folder = folder.absolute()
    if (folder / "journal.jsonl").exists():
        raise RunError(f"{folder} already holds a run; `nasforge resume {folder}` goes on with it")
    parts = _search_parts(config)
    config = {**config, "executor": {**config["executor"], "threads": parts.threads}}
    with closing(Journal(folder)) as journal:
        _write_config(folder, config)
        write_json(folder / "overrides.json", list(overrides))
        return _search(parts, folder, journal)


def resume(
    folder: Path, changes: Sequence[str] = (), *, how: Config | None = None, config_dir: str | None = None
) -> Outcome:
    """Go on with the run in `folder`; `changes` may set budget, executor, trainer, logger and callbacks anew.

    Args:
        how: a configuration from which all of these are taken instead.
        config_dir: one more folder of configurations that `changes` may choose from.

    Raises:
        RunError: there is no run, another process writes it, or its journal, weights or data are not what they were.
        OptionError: a change of something else.
    """
    folder = folder.absolute()
    config = read_config(folder)
    config = computed_as(config, how) if how is not None else resumed(config, changes, config_dir)
    parts = _search_parts(config)
    with closing(Journal(folder)) as journal:
        _write_config(folder, config)
        return _search(parts, folder, journal)


def retrain(config: Config, folder: Path, *, run: bool) -> Outcome:
    """Train an architecture from scratch and test it.

    Args:
        config: `architecture` names a preset, a JSON file or JSON; None takes what the run found.
        folder: a search's folder if `run`, and the results go into a folder inside it; else where they go.

    Raises:
        NasforgeError: the configuration, the data or the folder is wrong.
    """
    folder = folder.absolute()
    parts = Parts(config)
    if not parts.retraining.seeds:
        raise OptionError("retrain.seeds=0 leaves nothing to do; set it to 1 or more")
    called = "found"
    if config["architecture"]:
        architecture = parts.space.read(config["architecture"])
        called = next((name for name in parts.space.presets if name == config["architecture"]), "given")
    elif run:
        architecture = parts.space.read(str(_existing(folder / "architecture.json")))
    else:
        raise OptionError("retrain needs a run's folder, or architecture= with a preset's name or a JSON file")
    parts.check_machinery()
    _ = parts.search_data  # what is wrong with them is said before anything is written
    if run:
        what = [architecture.to_json(), config["retrain"], config["data"], config["seed"]]
        folder = folder / f"retrain-{digest(what)[:8]}"
    with closing(Journal(folder)) as journal:
        _write_config(folder, config)
        return _retrain(parts, folder, journal, architecture, called)


def report(folder: Path) -> Path:
    """Write the report and the drawings of the run in `folder` again."""
    folder = folder.absolute()
    parts = Parts(read_config(folder))
    _existing(folder / "result.json")
    return _draw(parts, folder, parts.space.read(str(_existing(folder / "architecture.json"))))


def read_config(folder: Path) -> Config:
    """The resolved configuration of a run; `RunError` if `folder` holds none."""
    if not folder.is_dir():
        raise RunError(f"there is no folder {folder}")
    if not (folder / "config.yaml").exists():
        raise RunError(f"{folder} is not a run's folder: it has no config.yaml")
    return dict(read_yaml(folder / "config.yaml"))


def _search_parts(config: Config) -> Parts:
    """All parts, so that what does not fit together is said before anything is written."""
    parts = Parts(config)
    parts.strategy.check_goals(parts.estimators, parts.goals.followed, parts.goals.constraints)
    parts.check_machinery()
    parts.executor.check(device_of(parts.trainer))
    _ = parts.threads, parts.search_data
    parts.check_estimators()
    return parts


def _search(parts: Parts, folder: Path, journal: Journal) -> Outcome:
    ledger: list[Evaluation] = []
    with _named(folder), interruptible(), threads(parts.threads), closing(_open(parts, folder, journal, ledger)) as run:
        found = parts.strategy.search(run)
        result = _result(parts, run, str(parts.config["strategy"]["name"]), found.architecture)
        known = {one.architecture: one.metrics for one in ledger if one.ok}  # what was only reported is among it
        result["metrics"] = {**known.get(found.architecture, {}), **found.metrics}
        result["front"] = [
            {"notation": str(one.architecture), "metrics": {**known.get(one.architecture, {}), **one.metrics}}
            for one in found.front
        ]
        if found.weights is not None:
            with run.timed("control"):
                result["control"], best = _control(parts, run, found)
                rows = {"found": found.architecture, "random search": best}
                paper = parts.strategy.published.get(parts.space.name, {})
                result["table"] = true_accuracies(parts.space, rows, parts.data_name, paper)
            result["metrics"] = result["metrics"] or {"accuracy": result["control"]["found"]}
        if parts.retraining.seeds:
            result["retrain"] = _retraining(parts, run, found.architecture)
        return _finish(parts, run, found.architecture, result, ledger)


def _retrain(parts: Parts, folder: Path, journal: Journal, architecture: Architecture, called: str) -> Outcome:
    with (
        _named(folder),
        interruptible(),
        threads(parts.threads),
        closing(_open(parts, folder, journal)) as run,
    ):
        result = _result(parts, run, "retrain", architecture)
        result["retrain"] = _retraining(parts, run, architecture, called)
        return _finish(parts, run, architecture, result, [])


class _named:
    """Tells an interruption which folder it left behind."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Interrupted):
            error.folder = self._folder


def _open(parts: Parts, folder: Path, journal: Journal, ledger: list[Evaluation] | None = None) -> Run:
    """The run, its data read and found to be the same as in earlier starts.

    Args:
        ledger: takes all that is known of each candidate, for people; None: nothing is to be estimated.
    """
    estimates, data = ledger is not None, parts.search_data
    goals = parts.goals if estimates else Goals()
    facts = _images(parts) if parts.reads_data else {"name": parts.data_name, "fingerprint": ""}
    known = folder / "data.json"
    if known.exists() and json.loads(known.read_text())["fingerprint"] != data.fingerprint:
        raise RunError(f"the data are not those that the run in {folder} began with; restore them, or start a new run")
    write_json(known, facts)
    machinery = parts.machinery(folder)
    write_json(folder / "environment.json", environment(machinery.device, machinery.threads))
    return Run(
        folder,
        journal,
        space=parts.space,
        data=data,
        estimators=parts.estimators if estimates else [],
        goals=goals,
        seed=parts.seed,
        budget=parts.budget,
        machinery=machinery,
        ledger=ledger,
    )


def _images(parts: Parts) -> dict[str, Any]:
    """What a run records of its data."""
    data = parts.search_data
    return {
        "name": parts.data.name,
        "fingerprint": data.fingerprint,
        "training images": len(data.train),
        "input shape": list(data.input_shape),
        "class names": list(data.class_names),
        "class counts": dict(zip(data.class_names, data.class_counts, strict=True)),
        "mean": list(data.preprocessing.mean),
        "deviation": list(data.preprocessing.std),
        "split": f"class-balanced halves, seed {parts.seed}",
        "validation images": sorted(data.search_validation.positions.tolist()),
        "notes": list(parts.data.notes),
    }


def _control(parts: Parts, run: Run, found: Result) -> tuple[Mapping[str, Any], Architecture]:
    """Score the found architecture and random ones alike, with the search's shared weights.

    The best of the random ones is what random search would have found with the same supernet.
    """
    scorer = next((one for one in parts.estimators if isinstance(one, SharedWeights)), SharedWeights())
    others = random_architectures(run.space, parts.control.samples, run.seed, "control", found.architecture)
    run.notes += parts.control.notes()
    scored = run.score([found.architecture, *others], scorer, found.weights)
    if not scored[0].ok:
        raise RunError(f"the found architecture cannot be scored: {scored[0].reason}")
    usable = [one for one in scored[1:] if one.ok]
    if not usable:
        raise RunError(f"no random architecture can be scored: {scored[1].reason}")
    best = max(usable, key=lambda one: one.metrics["accuracy"]).architecture
    return control_verdict(scored[0].metrics["accuracy"], [one.metrics["accuracy"] for one in usable]), best


def _retraining(parts: Parts, run: Run, architecture: Architecture, called: str = "found") -> Any:
    how = parts.retraining
    others = random_architectures(run.space, how.random, run.seed, "retrain", architecture)
    return retrain_networks(run, parts.data, how, architecture, others, called=called)


def _result(parts: Parts, run: Run, strategy: str, architecture: Architecture) -> dict[str, Any]:
    """What every result says. No clock and no path: equal runs give equal bytes."""
    return {
        "strategy": strategy,
        "space": parts.space.name,
        "data": parts.data_name,
        "seed": parts.seed,
        "architecture": architecture.to_json(),
        "size": _size(run, architecture) if parts.reads_data else None,
        "objectives": [vars(objective) for objective in run.goals.given],
        "followed": [objective.metric for objective in run.objectives],
        "constraints": [str(constraint) for constraint in run.constraints],
        "metrics": {},
        "control": None,
        "table": None,
        "retrain": None,
    }


def _count(evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """How many; and, where a table says what training each of them took, how long a search without it would have."""
    simulated = [one.metrics[TRAINING_TIME] for one in evaluations if TRAINING_TIME in one.metrics]
    return {
        "requested": len(evaluations),
        "distinct": len({one.architecture for one in evaluations}),
        "infeasible": sum(one.status == "infeasible" for one in evaluations),
        "simulated_seconds": sum(simulated) if simulated else None,
    }


def _flagged(evaluations: Sequence[Evaluation]) -> list[str]:
    """One sentence on candidates some of whose metrics could not be measured."""
    flagged = {one.architecture: one.reason for one in evaluations if one.ok and one.reason}
    if not flagged:
        return []
    distinct = len({one.architecture for one in evaluations})
    first, reason = next(iter(flagged.items()))
    return [
        f"{len(flagged)} of {distinct} distinct candidates have metrics that could not be measured and hold their "
        f"worst value (evaluations.json says which); the first: {first}: {reason}"
    ]


def _size(run: Run, architecture: Architecture) -> Mapping[str, float]:
    return architecture_size(run.space, architecture, run.data.input_shape, run.data.classes)


def _finish(
    parts: Parts, run: Run, architecture: Architecture, result: dict[str, Any], ledger: Sequence[Evaluation]
) -> Outcome:
    failures = [one for one in ledger if one.status == "failed"]
    result |= {
        "status": f"stopped: {run.stopped}" if run.stopped else "finished",
        "evaluations": _count(ledger),
        "failures": [{"architecture": str(one.architecture), "reason": one.reason} for one in failures],
        "notes": [*(parts.data.notes if parts.reads_data else ()), *run.notes, *_flagged(ledger)],
        "next": next_steps(parts, result, _words(run.folder)),
    }
    write_json(run.folder / "architecture.json", architecture.to_json())
    if ledger:
        rows = [
            {"notation": str(one.architecture), "metrics": one.metrics, "status": one.status, "reason": one.reason}
            for one in ledger
        ]
        write_json(run.folder / "evaluations.json", rows)
    write_json(run.folder / "result.json", result)
    run.write_timing()
    _draw(parts, run.folder, architecture)
    print_summary(result, run.folder, seconds=run.seconds)
    return Outcome(run.folder, architecture, result)


def _words(folder: Path) -> list[str]:
    """Of the command that made a run; retraining of a published architecture has none."""
    recorded = folder / "overrides.json"
    return [str(word) for word in json.loads(recorded.read_text())] if recorded.exists() else []


def _draw(parts: Parts, folder: Path, architecture: Architecture) -> Path:
    graphs = list(parts.space.draw(architecture))
    for graph in graphs:
        draw_cell(graph, folder / graph.title.replace(" ", "_"))
    return write_report(folder, graphs)


def _write_config(folder: Path, config: Config) -> None:
    with atomic(folder / "config.yaml") as temporary:
        temporary.write_text(yaml.safe_dump(config, sort_keys=False))


def _existing(path: Path) -> Path:
    if not path.exists():
        raise RunError(f"{path} is missing: the run has not ended yet; `nasforge resume {path.parent}` goes on with it")
    return path
