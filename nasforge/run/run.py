"""The run: what a strategy gets besides its space. Randomness, fits, estimates, loops, logs, all of it resumable."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic

from torch import Tensor
from typing_extensions import TypeVar

from nasforge.architecture import Architecture, Evaluation, Metrics, Objective, ParetoFront
from nasforge.data import FitData, SearchData
from nasforge.errors import OptionError, RunError
from nasforge.estimator import Context, Estimator, Weights
from nasforge.execution.executor import LocalExecutor
from nasforge.execution.quarantine import Quarantine
from nasforge.journal.clock import Clock
from nasforge.journal.doing import Doing
from nasforge.journal.journal import Journal, atomic, file_digest, write_json
from nasforge.journal.run_folder import RunFolder
from nasforge.randomness import rng_of, seed_everything, seed_of
from nasforge.result import Result, Timing
from nasforge.run.estimates import Estimates
from nasforge.run.fits import Fits
from nasforge.run.goals import Goals
from nasforge.run.resources import Budget, Machinery
from nasforge.space import SearchSpace
from nasforge.training.modules import FitModule, SupernetModule
from nasforge.training.weight_store import WeightStore
from nasforge.wording import counted, quantity

Module = TypeVar("Module", bound=FitModule)
SpaceT_co = TypeVar("SpaceT_co", bound=SearchSpace, default=SearchSpace, covariant=True)


class Run(Generic[SpaceT_co]):
    """One search in one folder. A strategy calls its services; `nasforge.experiment.experiment` makes and ends it.

    Attributes:
        space: the search space; `Run[WeightSharing]` has one with that ability.
        data: training images and their splits; test images are out of reach. A search none of whose parts needs data
            has `NoData` here.
        seed: what every draw goes back to.
        rng: randomness of `search()` itself; fits and estimates draw from generators of their own.
        estimators: what `estimate` asks.
        objectives: what a strategy follows, the first one foremost; report-only metrics are never among them.
        constraints: what makes a candidate infeasible.
        evaluations: what `estimate` has answered until now.
        folder: the run's folder.

    Args:
        ledger: takes each evaluation with report-only metrics, which no attribute and no service of the run shows.
    """

    def __init__(
        self,
        folder: Path,
        journal: Journal,
        *,
        space: SpaceT_co,
        data: SearchData,
        estimators: Sequence[Estimator],
        seed: int,
        budget: Budget,
        machinery: Machinery,
        goals: Goals | None = None,
        ledger: list[Evaluation] | None = None,
    ) -> None:
        self.folder, self.journal = folder, journal
        self.space, self.data, self.seed = space, data, seed
        self.rng = rng_of(seed, "search")
        self._budget, self._machinery = budget, machinery
        self.estimators = tuple(estimators)
        self._doing = Doing(folder, journal)
        self._executor = Quarantine(machinery.executor or LocalExecutor(machinery.threads), self._doing)
        self._estimates = Estimates(folder, journal, estimators, self._executor, machinery.progress)
        self.goals = goals or Goals.of(estimators, None, ())
        self.objectives, self.constraints = self.goals.followed, self.goals.constraints
        self._hidden = _report_only(self.goals.given)
        self._fits = Fits(
            folder, journal, seed=seed, threads=machinery.threads, trainer=machinery.trainer, ranks=machinery.ranks
        )
        self._clock = Clock(journal.lines)
        self._synced = self._ticked = 0.0
        self.evaluations: list[Evaluation] = []
        self._ledger = [] if ledger is None else ledger
        self.notes: list[str] = []
        self.stopped = ""
        self._kept: dict[str, str] = {}
        # Modules that a strategy makes take their first weights from torch's global generator.
        seed_everything(seed_of(seed, "search"))

    def fit(self, module: Module, name: str, epochs: int, data: FitData, *, budgeted: bool = True) -> Module:
        """Train `module` with the configured trainer; a finished fit of the same key comes back at once.

        A broken fit begins again at its last committed epoch. When `budget.seconds` is used up the fit ends with the
        current epoch, and the module is what it then was.

        Args:
            module: with its initial weights.
            name: unique in the run; `fits/<name>/` is its folder.
            epochs: how many.
            data: what it reads, `run.data.halves()` say.
            budgeted: whether `budget.seconds` bounds it.
        """
        work = module.work(epochs, len(data.loader(0)))
        with self.timed(f"fit {name}"), self._machinery.progress.bar(f"fit {name}", work) as bar:

            def began(epoch: int) -> None:
                where = f"in epoch {epoch + 1} of {epochs} of fit '{name}'"
                self._doing.note(f"fit {name}, epoch {epoch}", where)
                if epoch and bar.due:
                    bar.tell(*_how_well(module, epochs))

            module.advance = bar
            self._fits.fit(
                module,
                name,
                epochs,
                data,
                exhausted=lambda: self._ends_with_epoch(budgeted),
                began=began,
                callbacks=self._machinery.callbacks,
                loggers=self._machinery.loggers,
            )
            if bar.due:
                bar.tell(*_how_well(module, epochs))
        self._tick()
        return module

    def weights(self, name: str, module: FitModule) -> Weights:
        """The shared weights that fit `name` of `module` left, for `estimate` and `result`."""
        path, digest = self._fits.weights_file(name)
        options = module.supernet.options if isinstance(module, SupernetModule) else {}
        return Weights(path, digest, dict(options))

    def store(self, name: str, make: Callable[[], WeightStore]) -> Weights:
        """A version of a weight store: `weights/<name>.safetensors`, made by the first start that comes here.

        Args:
            name: unique in the run; what `make` gives must be a function of the run's seed and journal.

        Raises:
            RunError: an earlier start made it, and the file is gone or altered.
        """
        path = RunFolder(self.folder).weights / f"{name}.safetensors"
        line = self.journal.find("weights", name)
        if line is None:
            store = make()
            self.journal.check_present()
            store.save(path)
            line = self.journal.write("weights", name, sync=True, digest=file_digest(path))
        else:
            self.journal.check_file(path, line["digest"], line)
        return Weights(path, line["digest"], {})

    def estimate(self, architectures: Sequence[Architecture], weights: Weights | None = None) -> list[Evaluation]:
        """Evaluations in order; each distinct architecture is computed once, now or in an earlier start.

        Report-only metrics are kept for people and left out of what is returned.

        Args:
            architectures: at most `remaining` of them, if `budget.evaluations` is set.
            weights: shared or inherited weights, for estimators that need them.

        Raises:
            AbilityError: an estimator needs weights and none are given.
        """
        with self._clock.counting("estimates"):  # a note of it would take longer than to look candidates up in a table
            evaluations = self._estimates.of(architectures, self._context(weights))
            if self.constraints:
                evaluations = [self._judged(evaluation) for evaluation in evaluations]
            self._ledger.extend(evaluations)
            evaluations = [_without(self._hidden, evaluation) for evaluation in evaluations]
            self.evaluations.extend(evaluations)
            return evaluations

    def trained(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The tensors that training left of a candidate whose evaluation has `weights`.

        Raises:
            RunError: their file is missing, or no longer what the journal names.
        """
        return self._estimates.tensors(str(evaluation.weights))

    def _judged(self, evaluation: Evaluation) -> Evaluation:
        broken = self.goals.broken(evaluation) if evaluation.ok else None
        if broken is None:
            return evaluation
        return replace(evaluation, status="infeasible", reason=f"{evaluation.metrics[broken.metric]:g} breaks {broken}")

    def score(
        self,
        architectures: Sequence[Architecture],
        *estimators: Estimator,
        weights: Weights | None = None,
        space: SearchSpace | None = None,
    ) -> list[Evaluation]:
        """As `estimate`, outside the search's budget and with estimators that need not be its own.

        Args:
            space: builds them where the run's own does not; their `Architecture.space` must tell them from its own.
        """
        estimates = Estimates(self.folder, self.journal, estimators, self._executor, self._machinery.progress)
        context = self._context(weights)
        scored = estimates.of(architectures, context if space is None else replace(context, space=space))
        hidden = self._hidden.union(*(_report_only(estimator.objectives) for estimator in estimators))
        return [_without(hidden, evaluation) for evaluation in scored]

    def generations(self, n: int | None, name: str) -> Iterator[int]:
        """Count 0, 1, ... up to `n` (None: until the budget is used up), with a progress bar.

        Raises:
            OptionError: neither `n` nor a budget bounds the loop.
        """
        total = n if n is not None else self._budget.evaluations
        if total is None and self._budget.seconds is None:
            raise OptionError(f"'{name}' runs until its budget is used up: set budget.evaluations or budget.seconds")
        with self._machinery.progress.bar(name, total) as bar:
            for index in itertools.count() if n is None else range(n):
                key = f"{name}/{index}"
                replayed = self.journal.find("generation", key) is not None
                if self.remaining == 0 or (not replayed and self.out_of_time()):
                    if n is None and self.remaining == 0:
                        self.stopped = ""  # the budget is how long such a search is meant to be
                    return
                before = len(self.evaluations)
                yield index
                if not replayed:
                    self.journal.write("generation", key, sync=self._sync_is_due(), seconds=round(self.seconds, 3))
                for _ in range(1 if n is not None else len(self.evaluations) - before):
                    bar()
                if not replayed and bar.due:
                    bar.tell(_how_far(index + 1, n, len(self.evaluations), self._budget.evaluations), self._best())

    @property
    def remaining(self) -> int | None:
        """How many more estimates `budget.evaluations` allows; None without such a budget."""
        if self._budget.evaluations is None:
            return None
        left = max(0, self._budget.evaluations - len(self.evaluations))
        if left == 0:
            self.stopped = f"budget.evaluations={self._budget.evaluations} is used up"
        return left

    def result(
        self, architecture: Architecture | None = None, weights: Weights | None = None, *, trace: Any = None
    ) -> Result:
        """The search's result: `architecture`, or the best of all evaluations, with its metrics and the Pareto front.

        Args:
            weights: the shared weights behind it; they let the control compare it with random architectures.
            trace: what `Strategy.explain` is to show; it stays in memory.

        Raises:
            RunError: no architecture is given and no evaluation succeeded, or none keeps the constraints.
        """
        usable = [evaluation for evaluation in self.evaluations if evaluation.ok]
        if architecture is None:
            if not usable:
                raise RunError(self._why_none())
            architecture = min(usable, key=lambda evaluation: evaluation.cost(self.objectives[0])).architecture
        own: Metrics = next((each.metrics for each in usable if each.architecture == architecture), {})
        distinct = {evaluation.architecture: evaluation for evaluation in usable}.values()
        front = ParetoFront(distinct, self.objectives) if len(self.objectives) > 1 else ()
        return Result(architecture, own, weights, tuple(front), trace)

    def _why_none(self) -> str:
        if not self.evaluations:
            return f"no candidate was estimated{f': {self.stopped}' if self.stopped else ''}"
        infeasible = [evaluation for evaluation in self.evaluations if evaluation.metrics]
        if not infeasible:
            reasons = sorted({evaluation.reason for evaluation in self.evaluations})
            return f"no candidate could be evaluated: {'; '.join(reasons[:3])}"
        nearest = [
            f"{bound} (the nearest had {bound.nearest(e.metrics for e in infeasible):g})" for bound in self.constraints
        ]
        return f"none of {len(self.evaluations)} candidates keeps {' and '.join(nearest)}; loosen constraints=[...]"

    def log(self, step: int, **metrics: float) -> None:
        """Metrics of the search itself, to every logger."""
        for logger in self._machinery.loggers:
            logger.log_metrics(metrics, step)

    def keep(self, name: str, content: str | bytes, caption: str = "") -> Path:
        """An artefact in the run's folder; an SVG or PNG with a caption is shown in the report.

        Raises:
            RunError: `name` leads out of the run's folder of artefacts, or that folder is no longer there.
        """
        self.journal.check_present()
        files = RunFolder(self.folder)
        path = files.artifacts / name
        if not path.resolve().is_relative_to(files.artifacts.resolve()):
            raise RunError(f"an artefact cannot be called '{name}': that is no place in {files.artifacts}")
        with atomic(path) as temporary:
            temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        self._kept[str(path.relative_to(self.folder))] = caption
        index = [{"file": file, "caption": text} for file, text in self._kept.items()]
        write_json(files.captions, index)
        return path

    def say(self, text: str) -> None:
        """A sentence for whoever watches; no part of what the run leaves."""
        self._machinery.progress.say(text)

    def warn_of_budget(self, drawn: int, what: str) -> None:
        """Say, now and in the result, that `budget.evaluations` ends before a strategy has learned from anything.

        Args:
            drawn: how many candidates come before the first one that others have led to.
            what: these, for the message: "strategy.population=50 are drawn at random".
        """
        if self._budget.evaluations is not None and self._budget.evaluations <= drawn:
            note = (
                f"budget.evaluations={self._budget.evaluations} is used up before anything is learned, since the first "
                f"{what}: that is no more than random search"
            )
            self.say(note)
            self.notes.append(note)

    @contextmanager
    def timed(self, label: str) -> Iterator[None]:
        """Count the seconds inside towards `label` of `timing.json`."""
        with self._doing.at("", f"in '{label}'"), self._clock.counting(label):
            yield

    @property
    def seconds(self) -> float:
        """Wall-clock seconds over all starts of this run."""
        return self._clock.seconds

    @property
    def device(self) -> str:
        """Where estimates compute, as torch writes it."""
        return self._machinery.device

    @property
    def threads(self) -> int:
        """CPU threads of every fit and estimate."""
        return self._machinery.threads

    def write_timing(self) -> Timing:
        """Write `timing.json`, and return its content."""
        self._tick()  # a later start counts on from what this one shows
        seconds = {label: round(value, 3) for label, value in self._clock.parts.items()}
        timing = Timing(seconds=seconds, total=round(self.seconds, 3))
        write_json(RunFolder(self.folder).timing, vars(timing))
        return timing

    def close(self) -> None:
        """Write down the time it took, and end the processes that were started for it; whoever made the run calls
        this, however it ended."""
        self._doing.close()
        self._executor.close()
        if self.seconds > self._ticked + 1.0:
            self._tick()
        self._machinery.close()

    def _context(self, weights: Weights | None) -> Context:
        return Context(self.space, self.data, self._machinery.device, self._machinery.threads, self.seed, weights)

    def out_of_time(self) -> bool:
        """Whether `budget.seconds` is used up."""
        if self._budget.seconds is None or self.seconds < self._budget.seconds:
            return False
        self.stopped = f"budget.seconds={self._budget.seconds:g} is used up"
        return True

    def _sync_is_due(self) -> bool:
        """A sync takes milliseconds, a generation on a table microseconds: one a second keeps a power cut cheap."""
        due = time.perf_counter() > self._synced + 1.0
        if due:
            self._synced = time.perf_counter()
        return due

    def _ends_with_epoch(self, budgeted: bool) -> bool:
        """Whether a fit must stop here; the time until now is written down, since a killed fit has used it too."""
        if self.seconds > self._ticked + 1.0:
            self._tick()
        return budgeted and self.out_of_time()

    def _best(self) -> str:
        """The best value so far of what the search follows foremost."""
        if not self.objectives:
            return ""
        first = self.objectives[0]
        measured = [each for each in self.evaluations if each.ok and first.metric in each.metrics]
        best = min(measured, key=lambda evaluation: evaluation.cost(first), default=None)
        return f"best {quantity(first, best.metrics[first.metric])}" if best is not None else ""

    def _tick(self) -> None:
        self._ticked = self.seconds
        self.journal.write("clock", "", **self._clock.line())


def _how_well(module: FitModule, epochs: int) -> tuple[str, str]:
    """How many epochs a fit has behind it, and the latest one's accuracy on the images that it trained with."""
    values = module.history.get("train_accuracy", [])
    accuracy = f"training accuracy {values[-1]:.1%}" if values and values[-1] is not None else ""
    return f"epoch {max(map(len, module.history.values()), default=0)} of {epochs}", accuracy


def _how_far(index: int, of: int | None, evaluations: int, budget: int | None) -> str:
    """In generations where the strategy says how many there are, in estimates where the budget bounds them."""
    if of is not None:
        return f"generation {index:,} of {of:,}"
    return f"{evaluations:,} of {counted(budget, 'estimate')}" if budget else counted(evaluations, "estimate")


def _report_only(objectives: Sequence[Objective]) -> frozenset[str]:
    return frozenset(objective.metric for objective in objectives if objective.report_only)


def _without(hidden: frozenset[str], evaluation: Evaluation) -> Evaluation:
    """The evaluation as a strategy may see it."""
    open_ones = {name: value for name, value in evaluation.metrics.items() if name not in hidden}
    return replace(evaluation, metrics=open_ones) if len(open_ones) < len(evaluation.metrics) else evaluation
