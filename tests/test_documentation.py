"""What documentation shows as code runs, and keeps the contracts it is about."""

import re
from pathlib import Path

import pytest

from nasforge.testing import SpaceContract
from nasforge.training.recipe import DEFAULTS

DOCS = Path(__file__).resolve().parents[1] / "docs"


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The space with shared weights of docs/plugins.md, as a module that other processes find too."""
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "plugins.md").read_text(), re.DOTALL)
    (code,) = [block for block in blocks if "class Kernels(WeightSharing" in block]
    folder = tmp_path_factory.mktemp("shown")
    (folder / "shown_kernels.py").write_text(code)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        import shown_kernels

        yield shown_kernels


class TestKernels(SpaceContract):
    @pytest.fixture
    def space(self, shown):
        return shown.Kernels()


def test_what_from_python_shows_runs_from_top_to_bottom(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in re.findall(r"```python\n(.*?)```", (DOCS / "from_python.md").read_text(), re.DOTALL):
        exec(block, names)
    assert names["outcome"].architecture == names["run"].architecture
    assert names["logits"].shape == (8, 10)
    assert sum(names["probabilities"].values()) == pytest.approx(1)
    assert len(names["evaluations"]) == 4
    assert len(names["last"]) == 3


def test_the_page_on_retraining_explains_every_option_of_a_recipe():
    rows = re.findall(r"^\| (`[^|]*`) \|", (DOCS / "retraining.md").read_text(), re.MULTILINE)
    words = {word for row in rows for word in re.findall(r"`(\w+)=", row)}
    assert words >= set(DEFAULTS)
