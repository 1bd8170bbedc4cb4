"""The suite of strategies: same seed, same result; a replay asks for nothing new; what is given stays as it is."""

# ruff: noqa: D102  # a test's name says what it holds
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
    """Any `Strategy`. Supply `overrides`: the words that make a search of a few seconds, `strategy=` among them."""

    @pytest.fixture
    def search(self, overrides: list[str], tmp_path: Path) -> Search:
        """Search in a folder of the given name, with more words if need be."""
        return searches(overrides, tmp_path)

    @pytest.fixture
    def finished(self, overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
        """The folder of a search that has ended; tests of the same words share it, since a search takes seconds."""
        known: dict[tuple[str, ...], Path] = type(self).__dict__.get("_known", {})
        if (words := tuple(overrides)) not in known:
            known[words] = watched_search(overrides, tmp_path_factory.mktemp("finished"))
            type(self)._known = known  # type: ignore[attr-defined]
        return known[words]

    def test_same_seed_same_result(self, finished: Path, overrides: list[str], tmp_path: Path) -> None:
        apart = parting(finished, elsewhere(_searched, overrides, tmp_path))
        assert not apart, f"two searches with one seed, in two processes, {apart}"

    def test_a_finished_search_replays_from_its_journal(self, finished: Path) -> None:
        folder, path = finished, RunFolder(finished).result
        result = path.read_bytes()
        done = work(folder)
        path.unlink()  # as if it had been killed just before
        resume(folder)
        assert path.read_bytes() == result, (
            "a resumed search ended otherwise: search() must run again from its first line alike, and keep nothing "
            "but through the run"
        )
        more = len(work(folder)) - len(done)
        assert not more, (
            f"a replay of {len(done)} finished steps asked for {more} more: it must ask for nothing that is not in the "
            "journal"
        )

    def test_resumed_with_more_budget_it_ends_as_if_it_had_had_it(self, overrides: list[str], search: Search) -> None:
        if not issubclass(registry("strategy")[compose(overrides).config["strategy"]["name"]], AskTellStrategy):
            return
        extended, whole = search("extended", "budget.evaluations=3"), search("whole", "budget.evaluations=5")
        resume(extended, ["budget.evaluations=5"])
        ends = [json.loads(RunFolder(folder).result.read_text()) for folder in (extended, whole)]
        assert {**ends[0], "next": ""} == {**ends[1], "next": ""}, (
            "a search of 3 estimates that goes on to 5 ends otherwise than one that has 5 from the start: what depends "
            "on `evaluations_left`, or on earlier steps, must begin anew in begin()"
        )

    def test_what_it_found_is_of_the_space_and_nothing_else_has_changed(
        self, finished: Path, overrides: list[str]
    ) -> None:
        space: SearchSpace = build("space", compose(overrides).config["space"])
        space.read(str(RunFolder(finished).architecture))  # `finished` has watched the rest

    def test_a_copy_can_go_to_another_process(self, overrides: list[str]) -> None:
        options = compose(overrides).config["strategy"]
        copied(build("strategy", options), f"strategy '{options['name']}'")


def searches(overrides: Sequence[str], place: Path) -> Search:
    """A function that searches in a folder of `place`, of the given name, with more words if need be."""
    quick = ["retrain.seeds=0", "executor.threads=1", "trainer.accelerator=cpu"]

    def run(name: str, *more: str) -> Path:
        words = [*quick, *overrides, *more]
        return search(compose(words).config, place / name, words).folder

    return run


def _searched(overrides: Sequence[str], place: Path) -> Path:
    return searches(overrides, place)("second")


def watched_search(overrides: Sequence[str], place: Path) -> Path:
    """The folder of a search in `place` that has changed nothing of what it was given."""
    strategy = registry("strategy")[compose(overrides).config["strategy"]["name"]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strategy, "search", _watched(strategy.search))
        return searches(overrides, place)("watched")


def _watched(search: Callable[[Any, Run], Result]) -> Callable[[Strategy[Any], Run], Result]:
    """`search`, which fails if it changes what it was given."""

    def watched(self: Strategy[Any], run: Run) -> Result:
        given: list[tuple[Evaluation, dict[str, float]]] = []
        estimate = run.estimate

        def remembered(architectures: Sequence[Any], *more: Any, **other: Any) -> list[Evaluation]:
            asked = list(architectures)
            evaluations = estimate(architectures, *more, **other)
            assert list(architectures) == asked
            given.extend((one, dict(one.metrics)) for one in evaluations)
            return evaluations

        run.estimate = remembered  # type: ignore[method-assign]
        before = list(variation(run.space, 0))
        with left_alone("search()", but_torch=True):
            result = search(self, run)
        assert isinstance(result, Result), f"search() must return run.result(...), not {type(result).__name__}"
        assert list(variation(run.space, 0)) == before, "search() changed the space; it must leave it as it is"
        changed = [str(one.architecture) for one, metrics in given if dict(one.metrics) != metrics]
        assert not changed, f"search() changed the metrics of {changed[0]}; evaluations must stay as they were given"
        return result

    return watched
