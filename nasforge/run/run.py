"""The run: a strategy's resumable services for randomness, fits, estimates, loops and logs."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor
from typing_extensions import TypeVar

from nasforge.architecture import Architecture, Evaluation
from nasforge.bounds.bounds import Bounds
from nasforge.data import FitData, SearchData
from nasforge.errors import OptionError, RunError
from nasforge.estimator import Context, Estimator, Weights
from nasforge.execution.executor import LocalExecutor
from nasforge.execution.quarantine import Quarantine
from nasforge.journal.clock import Clock
from nasforge.journal.doing import Doing
from nasforge.journal.journal import Journal, atomic, file_digest, write_json
from nasforge.journal.named import Kind, NamedArchitectures, best_of_each
from nasforge.journal.run_folder import RunFolder
from nasforge.randomness import seed_everything, seed_of
from nasforge.result import Derivation, Result, Timing
from nasforge.run.arrivals import Arrivals, Request
from nasforge.run.budgeted_search import BudgetedSearch, SpaceT_co
from nasforge.run.estimates import Estimates
from nasforge.run.fits import Fits
from nasforge.run.goals import Goals
from nasforge.run.logs import BestSoFar, Logs
from nasforge.run.resources import Budget, Machinery
from nasforge.run.supernets import record_supernet
from nasforge.space import Mix, SearchSpace, WeightSharing
from nasforge.training.modules import FitModule, OneShotModule
from nasforge.training.weight_store import WeightStore
from nasforge.wording import counted, quantity

Module = TypeVar("Module", bound=FitModule)


class Run(BudgetedSearch[SpaceT_co]):
    """One search in one folder. A strategy calls its services; `nasforge.experiment.experiment` makes and ends it.

    Attributes:
        space: the search space; `Run[WeightSharing]` has one with that ability.
        data: training images and their splits, never test images; `NoData` if no part of the search needs data.
        seed: the seed of all random draws.
        rng: the generator of `search()` itself; fits and estimates have their own generators.
        estimators: the estimators behind `estimate`.
        objectives: the objectives to follow, the main one first; never a report-only metric.
        constraints: bounds that a feasible candidate satisfies.
        evaluations: all evaluations that `estimate` has returned.
        derivations: what constraints cost each architecture that `derive` returned.
        folder: the run's folder.

    Args:
        bounds: derives architectures within the constraints; None if `derive` has none to keep.
        ledger: receives each evaluation with report-only metrics, which no attribute or service of the run shows.
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
        bounds: Bounds | None = None,
        ledger: list[Evaluation] | None = None,
    ) -> None:
        super().__init__(space, estimators, goals or Goals.of(estimators, None, ()), seed, budget)
        self.folder, self.journal = folder, journal
        self.data, self._machinery, self._bounds = data, machinery, bounds
        self._doing = Doing(folder, journal)
        self._executor = Quarantine(machinery.executor or LocalExecutor(machinery.threads), self._doing)
        self._estimates = Estimates(folder, journal, estimators, self._executor, machinery.progress, self.goals)
        self._arrivals = Arrivals(
            journal,
            self._estimates,
            self._executor,
            lambda epochs: self._context(None, epochs),
            self._used_up,
            self._sync_is_due,
        )
        self._fits = Fits(
            folder, journal, seed=seed, threads=machinery.threads, trainer=machinery.trainer, ranks=machinery.ranks
        )
        self.logs, self._bests = Logs(machinery.loggers, journal, self.say), BestSoFar(self.objectives)
        self._generation, self._replayed = 0, False
        self._ends: dict[int, int] = {}
        self._named = NamedArchitectures()
        self._clock = Clock(journal.lines)
        self._synced = self._ticked = 0.0
        self.derivations: dict[Architecture, Derivation] = {}
        self._ledger = [] if ledger is None else ledger
        self._kept: dict[str, str] = {}
        # Modules that a strategy makes draw their initial weights from torch's global generator.
        seed_everything(seed_of(seed, "search"))

    def fit(self, module: Module, name: str, epochs: int, data: FitData, *, budgeted: bool = True) -> Module:
        """Train `module` with the configured trainer; a finished fit with the same key returns at once.

        An interrupted fit continues after its last saved epoch. When `budget.seconds` is used up, the fit stops at the
        end of the current epoch.

        Args:
            module: has its initial weights.
            name: unique in the run; `fits/<name>/` is its folder.
            epochs: number of epochs.
            data: the data that it reads, such as `run.data.halves()`.
            budgeted: whether `budget.seconds` limits it.
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
                loggers=self.logs.of_fit(name),
            )
            if bar.due:
                bar.tell(*_how_well(module, epochs))
        self._tick()
        return module

    def weights(self, name: str, module: FitModule) -> Weights:
        """Return the shared weights from fit `name` of `module`, for `estimate` and `result`."""
        path, digest = self._fits.weights_file(name)
        options = module.supernet.options if isinstance(module, OneShotModule) else {}
        return Weights(path, digest, dict(options))

    def store(self, name: str, make: Callable[[], WeightStore]) -> Weights:
        """Return a version of a weight store, `weights/<name>.safetensors`; make it unless an earlier start has.

        Args:
            name: unique in the run.
            make: must return a function of the run's seed and journal.

        Raises:
            RunError: an earlier start made it, and the file is missing or altered.
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

    def estimate(
        self, architectures: Sequence[Architecture], weights: Weights | None = None, epochs: int | None = None
    ) -> list[Evaluation]:
        """Return evaluations in order; each distinct architecture is estimated once, now or in an earlier start.

        Report-only metrics are recorded for people, but not returned.

        Args:
            architectures: at most `remaining` of them, if `budget.evaluations` is set.
            weights: shared or inherited weights, for estimators that need them.
            epochs: one of `fidelities`, after which to estimate; None: after all that the estimator trains.

        Raises:
            AbilityError: an estimator needs weights and none are given.
            OptionError: the estimators cannot estimate after so many epochs.
        """
        self._check_fidelity(epochs)
        with self._clock.counting("estimates"):  # without a note, which takes longer than a table lookup
            both = self._estimates.both(architectures, self._context(weights, epochs))
            self._ledger.extend(whole for whole, _ in both)
            evaluations = [visible for _, visible in both]
            self.evaluations.extend(evaluations)
            return evaluations

    def stream(self, requests: Iterable[Request], name: str) -> Iterator[Evaluation]:
        """Yield evaluations as they arrive; take the next request when a worker is free, until the budget is used up.

        A strategy handles each evaluation before the next request is taken. The order of arrivals is journaled, and a
        resumed run repeats it.

        Args:
            requests: (architecture, epochs) pairs, epochs as in `estimate`; they may depend on all arrivals so far.
            name: for the progress bar.

        Raises:
            OptionError: no budget limits it, or the estimators cannot estimate after so many epochs.
        """
        self._check_limited(name)
        with self._machinery.progress.bar(name, self._budget.evaluations) as bar:
            arrivals = self._arrivals.of(map(self._checked, requests))
            while both := self._next(arrivals):
                whole, visible = both
                self._ledger.append(whole)
                self.evaluations.append(visible)
                yield visible
                bar()
                if bar.due:
                    bar.tell(_how_far(0, None, len(self.evaluations), self._budget.evaluations), self._best())
                if self.seconds > self._ticked + 1.0:
                    self._tick()
        if self.remaining == 0:
            self.stopped = ""  # the budget defines how long such a search is

    def trained(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """Return the trained tensors of a candidate whose evaluation has `weights`.

        Raises:
            RunError: their file is missing or altered.
        """
        return self._estimates.tensors(str(evaluation.weights))

    def score(
        self,
        architectures: Sequence[Architecture],
        *estimators: Estimator,
        weights: Weights | None = None,
        space: SearchSpace | None = None,
    ) -> list[Evaluation]:
        """Return evaluations like `estimate`, outside the search's budget and by the given estimators.

        Args:
            space: builds architectures that the run's own space cannot; their `Architecture.space` must differ.
        """
        given = [objective for estimator in estimators for objective in estimator.objectives]
        goals = Goals(given=(*self.goals.given, *given))
        estimates = Estimates(self.folder, self.journal, estimators, self._executor, self._machinery.progress, goals)
        context = self._context(weights)
        scored = estimates.both(architectures, context if space is None else replace(context, space=space))
        return [visible for _, visible in scored]

    def generations(self, n: int | None, name: str) -> Iterator[int]:
        """Yield 0, 1, ... up to `n` (None: until the budget is used up), with a progress bar.

        Raises:
            OptionError: neither `n` nor a budget limits the loop.
        """
        total = n if n is not None else self._budget.evaluations
        if n is None:
            self._check_limited(name)
        self._ends.setdefault(0, len(self.evaluations))
        with self._machinery.progress.bar(name, total) as bar:
            for index in itertools.count() if n is None else range(n):
                key = f"{name}/{index}"
                replayed = self.journal.find("generation", key) is not None
                if self.remaining == 0 or (not replayed and self.out_of_time()):
                    if n is None and self.remaining == 0:
                        self.stopped = ""  # the budget defines how long such a search is
                    return
                before, self._replayed = len(self.evaluations), replayed
                try:
                    yield index
                finally:
                    self._replayed = False
                if not replayed:
                    self.journal.write("generation", key, sync=self._sync_is_due(), seconds=round(self.seconds, 3))
                    self._log_progress()
                self._generation += 1
                self._ends[self._generation] = len(self.evaluations)
                for _ in range(1 if n is not None else len(self.evaluations) - before):
                    bar()
                if not replayed and bar.due:
                    bar.tell(_how_far(index + 1, n, len(self.evaluations), self._budget.evaluations), self._best())

    def derive(self, mix: Mix) -> Architecture:
        """Return the space's architecture for a mix: with constraints, the most probable one that keeps them.

        The result says what the constraints cost. Deriving draws nothing and is not journaled.
        """
        assert isinstance(self.space, WeightSharing)  # only such spaces have a mix
        if self._bounds is None:
            return self.space.derive(mix)
        with self.timed("constraints"):
            architecture, derivation = self._bounds.derive(mix)
        self.derivations[architecture] = derivation
        return architecture

    def result(
        self, architecture: Architecture | None = None, weights: Weights | None = None, *, trace: Any = None
    ) -> Result:
        """Return the search's result, as `BudgetedSearch.result` does; record whose weights they are."""
        if weights is not None:
            record_supernet(self.journal, weights)
        return super().result(architecture, weights, trace=trace)

    def name_architecture(self, kind: Kind, name: str, architecture: Architecture) -> None:
        """Name an architecture for `nasforge retrain`, as `BudgetedSearch.name_architecture` says."""
        self._named.add(kind, name, architecture)

    def write_named(self) -> None:
        """Write the file of named architectures, with the best of each generation that the strategy has not named."""
        if self.objectives:
            for number, architecture in best_of_each(self.evaluations, self.objectives[0], self._ends):
                self._named.add("generation", str(number), architecture)
        self._named.write(self.folder)

    def log(self, step: int, **metrics: float) -> None:
        """Send metrics of the search itself to every logger, unless an earlier start has sent them."""
        if not self._replayed:
            self.logs.metrics("search", step, metrics)

    def keep(self, name: str, content: str | bytes, caption: str = "") -> Path:
        """Write an artifact into the run's folder; the report shows an SVG or PNG with a caption.

        Raises:
            RunError: `name` leads out of the folder of artifacts, or the run's folder was removed.
        """
        self.journal.check_present()
        files = RunFolder(self.folder)
        path = files.artifacts / name
        if not path.resolve().is_relative_to(files.artifacts.resolve()):
            raise RunError(f"an artifact cannot have the name '{name}': that is not inside {files.artifacts}")
        with atomic(path) as temporary:
            temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        self._kept[str(path.relative_to(self.folder))] = caption
        index = [{"file": file, "caption": text} for file, text in self._kept.items()]
        write_json(files.captions, index)
        return path

    def say(self, text: str) -> None:
        """Print a sentence, which is not recorded."""
        self._machinery.progress.say(text)

    @contextmanager
    def timed(self, label: str) -> Iterator[None]:
        """Count the time inside this context towards `label` in `timing.json`."""
        with self._doing.at("", f"in '{label}'"), self._clock.counting(label):
            yield

    @property
    def seconds(self) -> float:
        """Wall-clock seconds over all starts of this run."""
        return self._clock.seconds

    @property
    def device(self) -> str:
        """The torch device of estimates."""
        return self._machinery.device

    @property
    def threads(self) -> int:
        """CPU threads of every fit and estimate."""
        return self._machinery.threads

    def write_timing(self) -> Timing:
        """Write `timing.json`, and return its content."""
        self._tick()  # a later start continues from the total that is shown
        seconds = {label: round(value, 3) for label, value in self._clock.parts.items()}
        timing = Timing(seconds=seconds, total=round(self.seconds, 3))
        write_json(RunFolder(self.folder).timing, vars(timing))
        return timing

    def close(self) -> None:
        """Record the run's time and end its processes; its creator calls this, however the run ended."""
        self._doing.close()
        self._executor.close()
        self.logs.close()
        if self.seconds > self._ticked + 1.0:
            self._tick()
        self._machinery.close()

    def _next(self, arrivals: Iterator[tuple[Evaluation, Evaluation]]) -> tuple[Evaluation, Evaluation] | None:
        with self._clock.counting("estimates"):
            return next(arrivals, None)

    def _check_limited(self, name: str) -> None:
        if self._budget.evaluations is None and self._budget.seconds is None:
            raise OptionError(f"'{name}' runs until its budget is used up: set budget.evaluations or budget.seconds")

    def _used_up(self, waiting: int) -> bool:
        """Return whether the budget allows no more requests than those that wait for their evaluation."""
        left = self.remaining
        return (left is not None and left <= waiting) or self.out_of_time()

    def _context(self, weights: Weights | None, epochs: int | None = None) -> Context:
        if weights is None and epochs is None:
            return self._plain_context
        return replace(self._plain_context, weights=weights, epochs=epochs)

    @cached_property
    def _plain_context(self) -> Context:
        how = self._machinery
        graph = how.trainer.get("graph", "auto")
        return Context(self.space, self.data, how.device, how.threads, self.seed, graph=graph)

    def out_of_time(self) -> bool:
        """Return whether `budget.seconds` is used up."""
        if self._budget.seconds is None or self.seconds < self._budget.seconds:
            return False
        self.stopped = f"budget.seconds={self._budget.seconds:g} is used up"
        return True

    def _sync_is_due(self) -> bool:
        """Allow one sync per second: a sync takes milliseconds, but a generation on a table microseconds."""
        due = time.perf_counter() > self._synced + 1.0
        if due:
            self._synced = time.perf_counter()
        return due

    def _ends_with_epoch(self, budgeted: bool) -> bool:
        """Return whether a fit must stop here, and record the time, which counts even if the fit is killed."""
        if self.seconds > self._ticked + 1.0:
            self._tick()
        return budgeted and self.out_of_time()

    def _best(self) -> str:
        """Return the best value so far of the main objective, for people."""
        if not self.objectives:
            return ""
        first = self.objectives[0]
        best = self._bests.after(self.evaluations).get(first.metric)
        return f"best {quantity(first, best)}" if best is not None else ""

    def _log_progress(self) -> None:
        """Log how far the search is after a generation."""
        if self.logs:
            bests = {f"best_{metric}": value for metric, value in self._bests.after(self.evaluations).items()}
            self.logs.metrics("search", self._generation, {"evaluations": len(self.evaluations), **bests})

    def _tick(self) -> None:
        self._ticked = self.seconds
        self.journal.write("clock", "", **self._clock.line())


def _how_well(module: FitModule, epochs: int) -> tuple[str, str]:
    """Return how many epochs are done, and the training accuracy of the last one, for people."""
    values = module.history.get("train_accuracy", [])
    accuracy = f"training accuracy {values[-1]:.1%}" if values and values[-1] is not None else ""
    return f"epoch {max(map(len, module.history.values()), default=0)} of {epochs}", accuracy


def _how_far(index: int, of: int | None, evaluations: int, budget: int | None) -> str:
    """Return the progress in generations if their number is known, else in estimates."""
    if of is not None:
        return f"generation {index:,} of {of:,}"
    return f"{evaluations:,} of {counted(budget, 'estimate')}" if budget else counted(evaluations, "estimate")
