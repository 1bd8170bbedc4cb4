"""What an estimator calls its metrics is what people read: on the terminal, in the report and in a comparison."""

import pytest

WARM = """
from nasforge import Estimate, Estimator, Objective


class Warm(Estimator):
    objectives = (
        Objective("warmth", "min", label="warmth of a network", unit="K"),
        Objective("filled", "max", label="share that is filled", unit="%"),
    )
    needs_data = False

    def __init__(self) -> None: ...

    def estimate(self, architecture, context):
        count = 6 - str(architecture).count("none")
        return Estimate({"warmth": 300.5 + count, "filled": count / 6})
"""


@pytest.fixture
def warm(guest):
    points = {"nasforge.estimator": ["warm = warm_guest:Warm"], "nasforge.conf": ["warm = warm_conf"]}
    files = {"warm_guest.py": WARM, "warm_conf/__init__.py": ""}
    guest(
        "nasforge-warm", points, {**files, "warm_conf/estimator/warm.yaml": "# @package estimator.warm\nname: warm\n"}
    )


def search(command, seed):
    words = ["strategy=random_search", "space=nasbench201", "estimator=warm", "budget.evaluations=6"]
    status, printed, errors = command(*words, "retrain.seeds=0", f"seed={seed}", f"hydra.run.dir=runs/{seed}")
    assert status == 0, errors
    return printed


def test_a_guests_labels_are_read_everywhere(warm, command, tmp_path):
    printed = search(command, 0)
    for line in ("warmth of a network, K", "share that is filled"):
        assert line in printed
    runs = tmp_path / "here" / "runs"
    page = (runs / "0" / "report.html").read_text()
    assert "Warmth of a network, K and share that is filled" in page
    assert "warmth of a network 30" in page  # the reference point of the hypervolume, with the unit after the value
    search(command, 1)
    status, compared, errors = command("compare", "runs")
    assert status == 0, errors
    assert "warmth of a network, K" in compared
    assert "and share that is filled: front of" in (runs / "comparison.html").read_text()
