"""Killed at any write before its search begins: nothing of a run is there, or a whole one that goes on alike."""

import builtins
import os

import numpy as np
import pytest

from nasforge import Column, Table
from nasforge.config.configuration import compose
from nasforge.experiment import experiment
from nasforge_plugins.strategy.random_search import RandomSearch

KILLED = 9


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "small.safetensors"
    choices = np.stack(np.unravel_index(np.arange(5**6), (5,) * 6))
    values = {Column("digits", "accuracy", "max"): 0.3 + choices.sum(0) / 60}
    Table.of("nasbench201", (5,) * 6, values, source="made by a test").write(path)
    return [
        *("strategy=random_search", "space=nasbench201", "estimator=tabular", "retrain.seeds=0", "executor.threads=1"),
        *(f"estimator.tabular.path={path}", "estimator.tabular.dataset=digits", "budget.evaluations=3"),
    ]


@pytest.fixture(scope="module")
def config(words):
    return compose(words).config


def counted(monkeypatch, folder, at=None):
    """Count what is asked of the file system for `folder`; at the given one the process is gone."""
    calls = []

    def watched(function, writes):
        def call(*arguments, **options):
            if writes(*arguments, **options):
                calls.append(function.__name__)
                if len(calls) == at:
                    os._exit(KILLED)
            return function(*arguments, **options)

        return call

    def inside(path, *_, **__):
        return isinstance(path, str | os.PathLike) and str(path).startswith(str(folder))

    def opens(path, mode="r", *_, **__):
        return inside(path) and mode[0] != "r"

    monkeypatch.setattr(os, "replace", watched(os.replace, inside))
    opened = watched(open, opens)
    monkeypatch.setattr(builtins, "open", opened)
    monkeypatch.setattr("io.open", opened)
    return calls


def killed_at(call, config, folder, words):
    """In a process of its own."""
    child = os.fork()
    if not child:
        try:
            with pytest.MonkeyPatch.context() as patch:
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
                counted(patch, folder, call)
                experiment.search(config, folder, words)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def left(folder):
    return {
        path: (folder / path).read_bytes() for path in ("result.json", "config.yaml", "overrides.json", "data.json")
    }


def test_each_write(tmp_path, config, words, monkeypatch):
    before = []
    search = RandomSearch.search
    with monkeypatch.context() as patch:
        calls = counted(patch, tmp_path / "whole")
        patch.setattr(RandomSearch, "search", lambda self, run: (before.extend(calls), search(self, run))[1])
        experiment.search(config, tmp_path / "whole", words)
    expected, begun = left(tmp_path / "whole"), []
    assert {"open", "replace"} == set(before)
    for call in range(1, len(before) + 1):
        folder = tmp_path / str(call)
        assert killed_at(call, config, folder, words) == KILLED
        begun.append((folder / "journal.jsonl").exists())
        if begun[-1]:
            experiment.resume(folder)
        else:
            experiment.search(config, folder, words)
        assert left(folder) == expected, f"killed at call {call}, {before[call - 1]}"
    assert begun == sorted(begun), "once a run is there, it stays"
    assert set(begun) == {True, False}
