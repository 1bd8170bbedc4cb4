"""A strategy in a user's own loop: it proposes candidates, and the user's trainer tells how good they are."""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple, cast

from nasforge.architecture import Architecture, Constraint, Evaluation, Objective
from nasforge.errors import AbilityError, OptionError, RunError
from nasforge.registry.abilities import check_space
from nasforge.registry.entry_points import build, registry
from nasforge.run.budgeted_search import BudgetedSearch
from nasforge.run.goals import Goals
from nasforge.run.resources import Budget
from nasforge.standalone.asked_state import read_state, write_state
from nasforge.strategy import AskTellStrategy


class Candidate(NamedTuple):
    """An architecture to evaluate, numbered from 0 in the order of the asks."""

    number: int
    architecture: Architecture


@dataclass(frozen=True)
class Setting:
    """What defines the candidates that a search proposes, besides what it is told.

    Attributes:
        strategy, space: options of the plug-ins, with their names.
        objectives: `max` or `min` by metric, the main one first.
        evaluations: the number of candidates; None: no limit.
    """

    strategy: Mapping[str, Any]
    space: Mapping[str, Any]
    seed: int
    objectives: Mapping[str, str]
    constraints: Sequence[str]
    evaluations: int | None

    def __post_init__(self) -> None:
        for name, value, least in (("seed", self.seed, 0), ("evaluations", self.evaluations, 1)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
                raise OptionError(f"{name}={value!r}: it must be a whole number, {least} or more")


class AskTell(BudgetedSearch):
    """A search whose candidates the caller evaluates. `nasforge.ask_tell` makes a new one, `AskTell.load` a saved one.

    It proposes what a run with the same seed proposes. The state is what it was told: loading replays that.

    Attributes:
        space: builds the candidates: `search.space.build(candidate.architecture, input_shape, classes)`.
        evaluations: what was told so far, as `Evaluation`s.
        pending: the candidates that were asked for and not told yet, by number.
    """

    def __init__(self, setting: Setting) -> None:
        space, strategy = build("space", setting.space), build("strategy", setting.strategy)
        if not isinstance(strategy, AskTellStrategy):
            fitting = [name for name, part in registry("strategy").working.items() if issubclass(part, AskTellStrategy)]
            raise AbilityError(
                f"strategy '{strategy.name}' trains or scores networks itself, so it cannot be asked and told. "
                f"Strategies that can: {', '.join(fitting)}."
            )
        check_space("strategy", strategy, space)
        followed = tuple(Objective(metric, cast(Any, direction)) for metric, direction in setting.objectives.items())
        if not followed:
            raise OptionError("objectives={} leaves nothing to follow; objectives={'accuracy': 'max'} is the default")
        constraints = tuple(map(Constraint.read, setting.constraints))
        strategy.check_goals((), followed, constraints)
        super().__init__(
            space, (), Goals(followed, followed, constraints), setting.seed, Budget(evaluations=setting.evaluations)
        )
        self._setting, self._strategy = setting, strategy
        strategy.space, strategy.rng = space, self.rng
        strategy.objectives, strategy.constraints = self.objectives, self.constraints
        strategy.evaluations_left = self.remaining
        strategy.begin()
        self._asked = 0
        self._batch: list[int] = []
        self._proposed: deque[Candidate] = deque()  # of the batch, not asked for yet
        self._told: dict[int, Evaluation] = {}  # of the batch
        self._numbers: list[int] = []  # of the evaluations
        self.pending: dict[int, Candidate] = {}

    def ask(self) -> Candidate:
        """Return the next candidate.

        Several may be asked for before the first is told, as far as the strategy proposes them at once.

        Raises:
            RunError: the strategy must first be told about the pending ones, or the evaluations are used up.
        """
        if not self._proposed:
            self._propose()
        candidate = self._proposed.popleft()
        self._asked += 1
        self.pending[candidate.number] = candidate
        return candidate

    def _propose(self) -> None:
        if self.pending:
            numbers = ", ".join(map(str, self.pending))
            raise RunError(
                f"strategy '{self._strategy.name}' needs the results of its pending candidates first: {numbers}"
            )
        if self.remaining == 0:
            raise RunError(f"evaluations={self._setting.evaluations} are used up: result() returns the best candidate")
        self._strategy.evaluations_left = self.remaining
        proposed = self._strategy.ask()[: self.remaining]
        self._proposed.extend(map(Candidate, itertools.count(self._asked), proposed))
        self._batch, self._told = [candidate.number for candidate in self._proposed], {}

    def tell(self, candidate: Candidate | int, *, failed: str = "", **metrics: float) -> None:
        """Tell how good a candidate is.

        Args:
            candidate: what `ask` returned, or its number.
            failed: why it could not be evaluated, instead of metrics.
            metrics: a finite number for each objective and constraint; others are kept and never steer the strategy.

        Raises:
            RunError: the candidate was never asked for, or was told already.
            OptionError: a metric is missing or is no finite number.
        """
        number = candidate if isinstance(candidate, int) else candidate.number
        known = self.pending.get(number)
        if known is None or (isinstance(candidate, Candidate) and candidate != known):
            told = 0 <= number < self._asked and number not in self.pending
            reason = "was told already" if told else "was never asked for"
            raise RunError(f"candidate {number} {reason}; pending: {', '.join(map(str, self.pending)) or 'none'}")
        values = {} if failed else self._checked_metrics(metrics)
        evaluation = Evaluation(known.architecture, values, "failed" if failed else "ok", failed, self.seed)
        del self.pending[number]
        self.evaluations.append(self.goals.judged(evaluation))
        self._numbers.append(number)
        self._told[number] = self.goals.judged(self._steering(evaluation))
        if len(self._told) == len(self._batch):
            self._strategy.tell([self._told[number] for number in self._batch])

    def _names(self) -> list[str]:
        return list(dict.fromkeys([*self._setting.objectives, *(bound.metric for bound in self.constraints)]))

    def _checked_metrics(self, metrics: Mapping[str, float]) -> dict[str, float]:
        if missing := [name for name in self._names() if name not in metrics]:
            raise OptionError(f"tell() needs {', '.join(missing)}, or failed='the reason'")
        values = {}
        for name, value in metrics.items():
            try:
                values[name] = float(value)
            except (TypeError, ValueError):
                raise OptionError(f"{name}={value!r} is not a number") from None
            if not math.isfinite(values[name]):
                raise OptionError(f"{name}={values[name]} is not a finite number; tell failed='the reason' instead")
        return values

    def _steering(self, evaluation: Evaluation) -> Evaluation:
        """Return the evaluation with the metrics that the strategy may see."""
        visible = {name: value for name, value in evaluation.metrics.items() if name in self._names()}
        return Evaluation(evaluation.architecture, visible, evaluation.status, evaluation.reason, evaluation.seed)

    def say(self, text: str) -> None:
        """Print a sentence."""
        print(text)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the state, whole or not at all; `AskTell.load` continues from it in any process."""
        told = list(zip(self._numbers, self.evaluations, strict=True))
        write_state(Path(path), vars(self._setting), self._asked, told)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> AskTell:
        """Continue a saved search: it asks for the same candidates as if its process had gone on, to the bit.

        Raises:
            RunError: the file is missing or damaged, or the strategy now proposes other candidates than it did.
            UnknownNameError: the strategy or the space is not installed.
        """
        state = read_state(Path(path))
        search = cls(Setting(**state.setting))
        for told in state.told:
            search._ask_until(told.number)
            candidate = search.pending.get(told.number)
            if candidate is None or candidate.architecture != told.architecture:
                raise RunError(
                    f"{path}: candidate {told.number} was {told.architecture}, but strategy "
                    f"'{search._strategy.name}' proposes another now; continue with the version that wrote the file"
                )
            search.tell(candidate, failed=told.failed, **told.metrics)
        search._ask_until(state.asked - 1)
        return search

    def _ask_until(self, number: int) -> None:
        while self._asked <= number:
            self.ask()
