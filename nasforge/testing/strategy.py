"""The suite of strategies: the same seed gives the same result, a replay computes nothing, arguments never change."""

# ruff: noqa: D102  # a test's name says what it checks
from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from nasforge.architecture import Evaluation
from nasforge.config.configuration import compose
from nasforge.experiment.experiment import resume, search
from nasforge.journal.run_folder import RunFolder
from nasforge.registry.entry_points import build, registry
from nasforge.result import Result
from nasforge.run.run import Run
from nasforge.space import SearchSpace
from nasforge.strategy import AskTellStrategy, Strategy
from nasforge.testing.another_process import elsewhere
from nasforge.testing.parting import parting, work
from nasforge.testing.samples import variation
from nasforge.testing.watching import copied, left_alone

Search = Callable[..., Path]


class StrategyContract:
    """The suite of a `Strategy`. Supply `overrides` for a search of a few seconds, including `strategy=`."""

    @pytest.fixture
    def search(self, overrides: list[str], tmp_path: Path) -> Search:
        """A function that searches in a folder of the given name, with optional further overrides."""
        return searches(overrides, tmp_path)

    @pytest.fixture
    def finished(self, overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
        """The folder of a finished search; tests with equal overrides share it, because a search takes seconds."""
        known: dict[tuple[str, ...], Path] = type(self).__dict__.get("_known", {})
        if (words := tuple(overrides)) not in known:
            known[words] = watched_search(overrides, tmp_path_factory.mktemp("finished"))
            type(self)._known = known  # type: ignore[attr-defined]
        return known[words]

    def test_same_seed_same_result(self, finished: Path, overrides: list[str], tmp_path: Path) -> None:
        difference = parting(finished, elsewhere(_searched, overrides, tmp_path))
        assert not difference, f"two searches with one seed, in two processes, {difference}"

    def test_its_baseline_is_another_strategy(self, overrides: list[str]) -> None:
        name = compose(overrides).config["strategy"]["name"]
        baseline, others = registry("strategy")[name].baseline, sorted({*registry("strategy")} - {name})
        assert baseline is None or baseline in others, (
            f"`baseline` is {baseline!r}; it must be None or the name of another strategy: {', '.join(others)}"
        )

    def test_a_finished_search_replays_from_its_journal(self, finished: Path) -> None:
        folder, path = finished, RunFolder(finished).result
        result = path.read_bytes()
        done = work(folder)
        path.unlink()  # as if it had been killed just before
        resume(folder)
        assert path.read_bytes() == result, (
            "a resumed search returned another result: search() must repeat exactly from its first line, and store "
            "nothing except through the run"
        )
        more = len(work(folder)) - len(done)
        assert not more, (
            f"a replay of {len(done)} finished steps requested {more} more: it must request only steps that are in "
            "the journal"
        )

    def test_resumed_with_more_budget_it_ends_as_if_it_had_had_it(self, overrides: list[str], search: Search) -> None:
        if not issubclass(registry("strategy")[compose(overrides).config["strategy"]["name"]], AskTellStrategy):
            return
        extended, whole = search("extended", "budget.evaluations=3"), search("whole", "budget.evaluations=5")
        resume(extended, ["budget.evaluations=5"])
        ends = [json.loads(RunFolder(folder).result.read_text()) for folder in (extended, whole)]
        assert {**ends[0], "next": ""} == {**ends[1], "next": ""}, (
            "a search extended from 3 estimates to 5 ends differently from one with 5 from the start: begin() must "
            "reset everything that depends on `evaluations_left` or on earlier steps"
        )

    def test_what_it_found_is_of_the_space_and_nothing_else_has_changed(
        self, finished: Path, overrides: list[str]
    ) -> None:
        space: SearchSpace = build("space", compose(overrides).config["space"])
        space.read(str(RunFolder(finished).architecture))  # `finished` checks the rest

    def test_a_copy_can_go_to_another_process(self, overrides: list[str]) -> None:
        options = compose(overrides).config["strategy"]
        copied(build("strategy", options), f"strategy '{options['name']}'")


def searches(overrides: Sequence[str], place: Path) -> Search:
    """Return a function that searches in a named folder inside `place`, with optional further overrides."""
    quick = ["retrain.seeds=0", "executor.threads=1", "trainer.accelerator=cpu"]

    def run(name: str, *more: str) -> Path:
        words = [*quick, *overrides, *more]
        return search(compose(words).config, place / name, words).folder

    return run


def _searched(overrides: Sequence[str], place: Path) -> Path:
    return searches(overrides, place)("second")


def watched_search(overrides: Sequence[str], place: Path) -> Path:
    """Search in `place`, check that the strategy changes none of its arguments, and return the folder."""
    strategy = registry("strategy")[compose(overrides).config["strategy"]["name"]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strategy, "search", _watched(strategy.search))
        return searches(overrides, place)("watched")


def _watched(search: Callable[[Any, Run], Result]) -> Callable[[Strategy[Any], Run], Result]:
    """Return a version of `search` that fails if it changes its arguments."""

    def watched(self: Strategy[Any], run: Run) -> Result:
        returned: list[tuple[Evaluation, dict[str, float]]] = []
        estimate = run.estimate

        def remembered(architectures: Sequence[Any], *more: Any, **other: Any) -> list[Evaluation]:
            requested = list(architectures)
            evaluations = estimate(architectures, *more, **other)
            assert list(architectures) == requested
            returned.extend((evaluation, dict(evaluation.metrics)) for evaluation in evaluations)
            return evaluations

        run.estimate = remembered  # type: ignore[method-assign]
        before = list(variation(run.space, 0))
        with left_alone("search()", but_torch=True):
            result = search(self, run)
        assert isinstance(result, Result), f"search() must return run.result(...), not {type(result).__name__}"
        assert list(variation(run.space, 0)) == before, "search() changed the space; it must not"
        changed = [
            str(evaluation.architecture) for evaluation, metrics in returned if dict(evaluation.metrics) != metrics
        ]
        assert not changed, f"search() changed the metrics of {changed[0]}; it must not change evaluations"
        return result

    return watched
