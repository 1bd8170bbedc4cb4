"""The loggers of a run: they record it once, change nothing of it, and cannot end it by failing."""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger

from nasforge.architecture import Evaluation, Objective
from nasforge.errors import reason
from nasforge.journal.journal import Journal
from nasforge.journal.records import flat
from nasforge.journal.run_folder import RunFolder
from nasforge.loggers.run_logger import RunFacts, RunLogger
from nasforge.randomness import preserved
from nasforge.registry.guests import STOPS


class Logs:
    """Passes what happens in a run to its loggers. One that fails gets nothing from then on, with a warning.

    Args:
        loggers: those that the user chose.
        journal: the run's; it keeps the identifier by which a logger recognizes the run.
        say: prints a sentence.
    """

    def __init__(self, loggers: Sequence[Logger], journal: Journal, say: Callable[[str], None]) -> None:
        self._loggers = loggers
        self._journal, self._say = journal, say
        self._begun: list[Logger] = []
        self._failed: list[Logger] = []
        self._status = "failed"

    def __bool__(self) -> bool:
        """Whether any logger is left."""
        return len(self._failed) < len(self._loggers)

    def of_fit(self, name: str) -> list[Logger]:
        """Return loggers for Lightning's trainer, which put the fit's name before that of each metric."""
        return [FitLogger(self, logger, name) for logger in self._loggers]

    def metrics(self, section: str, step: int, values: Mapping[str, float]) -> None:
        """Log metrics of the run itself, under `section/`."""
        named = {f"{section}/{name}": value for name, value in values.items()}
        for logger in self._loggers:
            self.attempt(logger, lambda logger: (logger.log_metrics(named, step), logger.save()))

    def end(self, pictures: Mapping[str, str], files: Iterable[Path]) -> None:
        """Log what a finished run leaves: pictures, as SVG text by title, and files.

        A logger that takes only numbers, such as Lightning's for CSV files, gets none.
        """
        self._status = "success"
        for logger in self._loggers:
            if isinstance(logger, RunLogger):
                self.attempt(logger, lambda logger: [logger.log_picture(*each) for each in pictures.items()])
                self.attempt(logger, lambda logger: [logger.log_file(file) for file in files])

    def close(self) -> None:
        """Finish the records of this start."""
        for logger in self._begun:
            self.attempt(logger, lambda logger: logger.finalize(self._status))
        self._begun = []

    def attempt(self, logger: Logger, act: Callable[[Any], object]) -> None:
        """Let a logger act, unless it failed earlier; the global random generators stay as they are."""
        if logger in self._failed:
            return
        try:
            with preserved():
                self._begin(logger)
                act(logger)
        except STOPS:
            raise
        except BaseException as error:
            self._failed.append(logger)
            name = type(logger).__name__
            warnings.warn(f"{name} failed, so this run continues without it: {reason(error)}", stacklevel=2)

    def _begin(self, logger: Logger) -> None:
        if logger in self._begun:
            return
        self._begun.append(logger)
        if isinstance(logger, RunLogger):
            self._say(logger.begin(self._facts()))

    def _facts(self) -> RunFacts:
        line = self._journal.find("logger", "")
        if line is None:
            line = self._journal.write("logger", "", sync=True, identifier=secrets.token_hex(8))
        folder = self._journal.path.parent
        config = (self._journal.find("begin", "") or {}).get("config", {})
        return RunFacts(line["identifier"], folder, RunFolder(folder).sweep, flat(config))


class FitLogger(Logger):
    """What one fit sees of a run's logger, which outlives the fit."""

    def __init__(self, logs: Logs, logger: Logger, fit: str) -> None:
        super().__init__()
        self._logs, self._logger, self._fit = logs, logger, fit

    @property
    def name(self) -> str | None:
        """The logger's own name."""
        return self._logger.name

    @property
    def version(self) -> int | str | None:
        """The logger's own version."""
        return self._logger.version

    @property
    def save_dir(self) -> str | None:
        """The logger's own folder."""
        return self._logger.save_dir

    @property
    def experiment(self) -> Any:
        """What the logger's library writes to, for callbacks that know it."""
        return getattr(self._logger, "experiment", None)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log metrics under the fit's name."""
        named = {f"{self._fit}/{name}": value for name, value in metrics.items()}
        self._logs.attempt(self._logger, lambda logger: logger.log_metrics(named, step))

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Ignore them; a run has a configuration."""

    def save(self) -> None:
        """Write what the logger holds back."""
        self._logs.attempt(self._logger, lambda logger: logger.save())


class BestSoFar:
    """The best value so far of each objective, in time that grows only with new evaluations.

    Of evaluations after different numbers of epochs, only those after the most epochs so far count.
    """

    def __init__(self, objectives: Sequence[Objective]) -> None:
        self._objectives = objectives
        self._seen = 0
        self._best: dict[Objective, Evaluation] = {}
        self._epochs = 0

    def after(self, evaluations: Sequence[Evaluation]) -> dict[str, float]:
        """Return the best value of each objective's metric, from all evaluations so far."""
        for evaluation in evaluations[self._seen :]:
            epochs = evaluation.epochs or 0
            if evaluation.ok and epochs > self._epochs:
                self._epochs, self._best = epochs, {}
            for objective in self._objectives if evaluation.ok and epochs == self._epochs else ():
                best = self._best.get(objective)
                if objective.metric in evaluation.metrics and (
                    best is None or evaluation.cost(objective) < best.cost(objective)
                ):
                    self._best[objective] = evaluation
        self._seen = len(evaluations)
        return {each.metric: evaluation.metrics[each.metric] for each, evaluation in self._best.items()}
