"""Search, resume, retrain and report: from a configuration to a result in a folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from nasforge.architecture import Architecture, Evaluation, after_most_epochs
from nasforge.architecture_files import typed
from nasforge.devices.environment import environment
from nasforge.devices.machine import device_of
from nasforge.devices.threads import torch_threads
from nasforge.errors import NasforgeError, OptionError, RunError
from nasforge.experiment.following import follow, report_so_far
from nasforge.experiment.forecast import say_plan
from nasforge.experiment.outcome import Outcome, draw, ended, existing, finish
from nasforge.experiment.parts import Parts
from nasforge.experiment.promises import kept_promises
from nasforge.experiment.published import explained, missing_table, true_accuracies
from nasforge.experiment.resumption import resumed, words_of_retraining
from nasforge.experiment.retraining import retrain as retrain_networks
from nasforge.journal.journal import Journal, digest, gone, write_json
from nasforge.journal.records import well_formed
from nasforge.journal.run_folder import RunFolder
from nasforge.registry.places import moved
from nasforge.result import Control, FrontMember, Result, Retrained
from nasforge.run.beginning import Beginning, Config, chosen, read_config
from nasforge.run.ending import check_left
from nasforge.run.goals import Goals
from nasforge.run.guests import guests_explained, guests_of
from nasforge.run.identity import computed_as, identity
from nasforge.run.progress import Progress
from nasforge.run.run import Run
from nasforge.statistics.verdicts import control_verdict
from nasforge.stopping import interruptible
from nasforge.training.recipe import changed_options
from nasforge.training.shared_weights import SharedWeights, random_architectures


def search(config: Config, folder: Path, overrides: Sequence[str] = (), *, progress: Progress | None = None) -> Outcome:
    """Search with `config`, and write everything into `folder`, which must not hold a run yet.

    Args:
        config: resolved, as from `configuration.compose`.
        overrides: the command's arguments, recorded so that it can be repeated.
        progress: shows the progress; None: on the terminal, or in lines.

    Raises:
        NasforgeError: the configuration, the data or the folder is invalid; nothing was written.
    """
    folder = folder.absolute()
    check_free(folder)
    if config["architecture"] is not None:
        raise OptionError(
            f"a search finds an architecture, so it takes none: architecture={typed(config['architecture'])}; "
            "`nasforge retrain architecture=...` trains one"
        )
    parts = _search_parts(config, progress)
    return _begin("search", parts, folder, overrides)


def resume(
    folder: Path,
    changes: Sequence[str] = (),
    *,
    how: Config | None = None,
    config_dir: str | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Continue the search or the retraining in `folder`; leave it unchanged if nothing is left to do.

    Args:
        changes: overrides of budget, executor, trainer, logger and callbacks, and new paths of data.
        how: a configuration from which these sections are taken instead.
        config_dir: one more folder of configurations that `changes` may choose from.
        progress: shows the progress; None: on the terminal, or in lines.

    Raises:
        RunError: there is no run, another process writes it, or its journal, weights or data were altered.
        OptionError: `changes` change something else.
    """
    folder = folder.absolute()
    beginning = Beginning.of(folder)
    with _in(folder), closing(Journal(folder)) as journal:
        config = beginning.config_now(folder)
        config = computed_as(config, how) if how is not None else resumed(config, changes, config_dir)
        progress = progress or Progress()
        if (outcome := ended(folder, config, progress.detail)) is not None:
            return outcome
        with moved(config), guests_explained(folder):
            parts = (_search_parts if beginning.command == "search" else _retrain_parts)(config, progress)
        if parts.fingerprint != beginning.data:
            raise RunError(f"the data changed since the run in {folder} began; restore it, or start a new run")
        if beginning.space and parts.space.fingerprint != beginning.space:
            raise RunError(
                f"the code of space '{parts.space.name}' changed since the run in {folder} began; restore it, or start "
                "a new run"
            )
        beginning.restore(folder, parts.recorded)
        return _run(beginning, parts, journal)


def retrain(
    config: Config,
    folder: Path,
    *,
    run: bool,
    named: tuple[str, Architecture] | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Train an architecture from scratch and test it.

    Args:
        config: its `architecture` is a text for `SearchSpace.read`, or None for the architecture that the run found.
        folder: the folder of a search if `run`, inside which the results get a folder; else the folder for the results.
        named: another architecture that the run has, after its name.
        progress: shows the progress; None: on the terminal, or in lines.

    Raises:
        NasforgeError: the configuration, the data or the folder is invalid.
    """
    folder = folder.absolute()
    files = RunFolder(folder)
    if not run:
        check_free(folder)
    with moved(config) if run else nullcontext(), guests_explained(folder):
        parts, called = _retrain_parts(config, progress), "found"
    if named is not None:
        called, architecture = named[0], parts.space.validate(named[1])
    elif config["architecture"] is not None:
        architecture = parts.space.read(typed(config["architecture"]))
        called = next((name for name in parts.space.presets if name == config["architecture"]), "given")
    elif run:
        check_left(folder, files.architecture)
        architecture = parts.space.read(str(existing(files.architecture)))
    else:
        raise OptionError("retrain needs a run's folder, or architecture= with a preset's name or a JSON file")
    if run:
        recorded = {**parts.recorded, "retrain": changed_options(config["retrain"])}
        key = digest([architecture.to_json(), identity(recorded), parts.fingerprint])[:8]
        folder = files.retraining(key)
        if RunFolder(folder).journal.exists():
            return resume(folder, how=config, progress=progress)
    words = words_of_retraining(
        parts.recorded, called if called in parts.space.presets else parts.space.written(architecture)
    )
    return _begin("retrain", parts, folder, words, architecture.to_json(), called)


def report(folder: Path) -> Path:
    """Write the report and the drawings of the run in `folder` again; return the report's path.

    The report of a run that has not ended shows what it has done so far.
    """
    folder = folder.absolute()
    config = read_config(folder)
    files = RunFolder(folder)
    with guests_explained(folder), nullcontext() if check_left(folder) else well_formed(folder):
        if not files.result.exists():
            return report_so_far(folder, config).write()
        parts = Parts(config)
        return draw(parts, folder, parts.space.read(str(existing(files.architecture))))


def follow_report(folder: Path) -> Path:
    """Write the report of the run in `folder` whenever it has done something, until it ends; return the report's path.

    The run goes on in another process.
    """
    folder = folder.absolute()
    so_far = report_so_far(folder, read_config(folder), followed=True)

    def write() -> None:
        with well_formed(folder):
            so_far.write()

    return follow(folder, write, lambda: report(folder))


def check_free(folder: Path) -> None:
    """Raise a `RunError` if `folder` holds a run."""
    if RunFolder(folder).journal.exists():
        raise RunError(f"{folder} already holds a run; `nasforge resume {folder}` continues it")


@contextmanager
def _in(folder: Path) -> Iterator[None]:
    """Let stop signals inside this context end the run in order; an error that ends it knows the folder to resume."""
    try:
        with interruptible():
            yield
    except BaseException as error:
        if RunFolder(folder).journal.exists():
            vars(error)["folder"] = folder
        if isinstance(error, FileNotFoundError) and not folder.exists():
            raise gone(folder) from error
        raise


def _begin(
    command: Literal["search", "retrain"],
    parts: Parts,
    folder: Path,
    words: Sequence[str],
    architecture: Any = None,
    called: str = "found",
) -> Outcome:
    beginning = Beginning(
        command, parts.recorded, list(words), parts.fingerprint, architecture, called, parts.space.fingerprint
    )
    empty = not folder.exists() or set(folder.iterdir()) <= {RunFolder(folder).images}
    with _in(folder), closing(beginning.journal(folder)) as journal:
        try:
            return _run(beginning, parts, journal)
        except NasforgeError:
            if empty and beginning.nothing_done(journal):
                shutil.rmtree(folder)  # a strategy that refuses at its start must leave nothing
            raise


def _run(beginning: Beginning, parts: Parts, journal: Journal) -> Outcome:
    """Run it from its first line; what is in the journal returns at once."""
    if beginning.architecture is None:
        return _search(parts, journal)
    return _retrain(parts, journal, Architecture.from_json(beginning.architecture), beginning.called)


def _search_parts(config: Config, progress: Progress | None = None) -> Parts:
    """Build and check all parts of a search before anything is written."""
    parts = Parts(config, progress)
    parts.strategy.check_goals(parts.estimators, parts.goals.followed, parts.goals.constraints)
    parts.check_machinery()
    parts.executor.check(device_of(parts.trainer))
    _ = parts.threads, parts.search_data
    parts.check_estimators()
    parts.check_networks()
    parts.check_bounds()
    return parts


def _retrain_parts(config: Config, progress: Progress | None = None) -> Parts:
    """Build and check the parts of a retraining."""
    parts = Parts(config, progress)
    if not parts.retraining.seeds:
        raise OptionError("retrain.seeds=0 leaves nothing to do; set it to 1 or more")
    parts.check_machinery()
    _ = parts.search_data
    return parts


def _search(parts: Parts, journal: Journal) -> Outcome:
    ledger: list[Evaluation] = []
    with torch_threads(parts.threads), closing(_open(parts, journal, ledger)) as run:
        say_plan(parts, run)
        paper = parts.strategy.published.get(parts.space.name, {})
        for note in missing_table(parts.space, parts.data_name, paper):
            run.note(note)
        found = parts.strategy.search(run)
        parts.strategy.explain(run, found.trace)
        strategy = chosen(Beginning.of(run.folder).words, "strategy") or parts.strategy.name
        known = {each.architecture: each.metrics for each in after_most_epochs(ledger) if each.ok}  # and report-only
        metrics = {**known.get(found.architecture, {}), **found.metrics}
        front = [
            FrontMember(notation=str(each.architecture), metrics={**known.get(each.architecture, {}), **each.metrics})
            for each in found.front
        ]
        control = table = retrained = None
        if found.weights is not None:
            parts.progress.phase("control")
            with run.timed("control"):
                control, best = _control(parts, run, found)
                rows = {"found": found.architecture, "random search": best}
                table = true_accuracies(parts.space, rows, parts.data_name, paper)
            metrics = metrics or {"accuracy": control.found}
        if parts.retraining.seeds:
            parts.progress.phase("retraining")
            retrained = _retraining(parts, run, found.architecture)
        return finish(
            parts,
            run,
            strategy,
            found.architecture,
            ledger,
            metrics=metrics,
            known=explained(parts.estimators),
            front=front,
            control=control,
            table=table,
            promises=kept_promises(run, found.architecture),
            retrain=retrained,
        )


def _retrain(parts: Parts, journal: Journal, architecture: Architecture, called: str) -> Outcome:
    with torch_threads(parts.threads), closing(_open(parts, journal)) as run:
        say_plan(parts, run, architecture)
        retrained = _retraining(parts, run, architecture, called)
        return finish(parts, run, "retrain", architecture, [], retrain=retrained)


def _open(parts: Parts, journal: Journal, ledger: list[Evaluation] | None = None) -> Run:
    """Open the run of a journal.

    Args:
        ledger: receives each evaluation, for people; None: the run estimates nothing.
    """
    folder, data, estimates = journal.path.parent, parts.search_data, ledger is not None
    goals = parts.goals if estimates else Goals()
    facts = _images(parts) if parts.reads_data else {"name": parts.data_name, "fingerprint": ""}
    write_json(RunFolder(folder).data, facts)
    machinery = parts.machinery(folder)
    write_json(RunFolder(folder).environment, environment(machinery.device, machinery.threads, guests_of(parts.config)))
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
        bounds=parts.bounds if estimates else None,
        ledger=ledger,
    )


def _images(parts: Parts) -> dict[str, Any]:
    """Return what a run records about its data."""
    data = parts.search_data
    whole = replace(data, train=parts.data.train)
    return {
        "name": parts.data.name,
        "fingerprint": data.fingerprint,
        "training images": len(data.train),
        "input shape": list(data.input_shape),
        "class names": list(data.class_names),
        "reading": parts.data.reading,
        "center": parts.data.center,
        "resampling": parts.data.resampling,
        "class counts": dict(zip(data.class_names, whole.class_counts, strict=True)),
        "mean": list(data.preprocessing.mean),
        "deviation": list(data.preprocessing.std),
        "split": f"class-balanced halves, seed {parts.seed}"
        if data.validation is None
        else f"as data={parts.data.name} makes it, seed {parts.seed}",
        "validation images": sorted(data.search_validation.positions.tolist()),
        "notes": list(parts.data.notes),
    }


def _control(parts: Parts, run: Run, found: Result) -> tuple[Control, Architecture]:
    """Score the found architecture and random ones in the same way, with the search's shared weights.

    Return the comparison, and the best random architecture, which random search would have found.
    """
    scorer = next((part for part in parts.estimators if isinstance(part, SharedWeights)), SharedWeights())
    others = random_architectures(run.space, parts.control.samples, run.seed, "control", found.architecture)
    run.notes += parts.control.notes()
    scored = run.score([found.architecture, *others], scorer, weights=found.weights)
    if not scored[0].ok:
        raise RunError(f"the found architecture cannot be scored: {scored[0].reason}")
    accuracies = {evaluation.architecture: evaluation.metrics["accuracy"] for evaluation in scored[1:] if evaluation.ok}
    if not accuracies:
        raise RunError(f"no random architecture can be scored: {scored[1].reason}")
    best = max(accuracies, key=lambda architecture: accuracies[architecture])
    return control_verdict(scored[0].metrics["accuracy"], list(accuracies.values())), best


def _retraining(parts: Parts, run: Run, architecture: Architecture, called: str = "found") -> Retrained:
    how = parts.retraining
    others = random_architectures(run.space, how.random, run.seed, "retrain", architecture)
    return retrain_networks(run, parts.data, how, architecture, others, called=called)
