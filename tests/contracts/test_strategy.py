"""The contract of strategies: which space they need, and when they explain themselves."""

import json

from nasforge import AskTellStrategy, Strategy, VectorEncoded, WeightSharing
from nasforge_plugins.shared.cell_chain import CellChain

GUEST = """
from nasforge import Result, Run, Strategy


class Drawing(Strategy):
    needs_data = False

    def search(self, run: Run) -> Result:
        run.notes.append("searched")
        return run.result(run.space.sample(run.rng), trace={"drawn": 1})

    def explain(self, run: Run, trace: dict[str, int]) -> None:
        run.notes.append(f"drew {trace['drawn']} architecture")
        run.keep("drawn.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>", "What was drawn")
"""


class OneShot(Strategy[WeightSharing]): ...


class Proposing(AskTellStrategy[VectorEncoded]): ...


class Demanding(Strategy[WeightSharing]):
    needs = (WeightSharing, CellChain)


class Heir(OneShot): ...


class Easy(AskTellStrategy): ...


def test_the_brackets_say_what_a_strategy_needs():
    assert OneShot.needs == Heir.needs == (WeightSharing,)
    assert Proposing.needs == (VectorEncoded,)
    assert Easy.needs == ()


def test_a_strategy_that_states_its_needs_is_heard():
    assert Demanding.needs == (WeightSharing, CellChain)


def test_a_search_is_explained_once_it_has_ended(guest, command, tmp_path):
    files = {"drawing.py": GUEST, "drawing_conf/strategy/drawing.yaml": "name: drawing\n"}
    entries = {"nasforge.strategy": ["drawing = drawing:Drawing"], "nasforge.conf": ["drawing = drawing_conf"]}
    guest("nasforge-drawing", entries, {**files, "drawing_conf/__init__.py": ""})
    status, _, complaint = command(
        "strategy=drawing", "space=nasbench201", "retrain.seeds=0", f"hydra.run.dir={tmp_path / 'run'}"
    )
    assert status == 0, complaint
    assert json.loads((tmp_path / "run" / "result.json").read_text())["notes"][-2:] == [
        "searched",
        "drew 1 architecture",
    ]
    assert json.loads((tmp_path / "run" / "artifacts.json").read_text()) == [
        {"file": "artifacts/drawn.svg", "caption": "What was drawn"}
    ]
