"""A search's candidates in pictures: decades are readable, and a value that stands for none is no value."""

import re

import numpy as np

from nasforge import Objective
from nasforge.charts import fronts
from nasforge.charts.front_tables import hypervolume_sentence
from nasforge.charts.fronts import best_so_far, front, look_at
from nasforge.charts.plots import SMALL, axes_of, scale_axis
from nasforge.result import Candidate

NTK, OVERLAP = Objective("ntk_condition", "min"), Objective("activation_overlap", "min")


def row(ntk, overlap, *, reason="", status="ok"):
    metrics = {"ntk_condition": ntk, "activation_overlap": overlap}
    return Candidate(notation=f"{ntk}", metrics=metrics, status=status, reason=reason)


SPREAD = [row(3e7, -40.0), row(2e4, -90.0), row(50.0, -120.0), row(70.0, -130.0)]
FLAGGED = row(1e12, 1e8, reason="ntk_condition is its worst value, 1e+12: it has no weights to train")


def texts(svg):
    return re.findall(r"<t(?:ext|span)[^>]*>([^<]+)</t", svg)


def test_scores_over_many_decades_are_shown_by_these():
    assert {"100", "10000"} <= set(texts(best_so_far(SPREAD, NTK).svg))
    assert {"100", "10000"} <= set(texts(front(SPREAD, NTK, OVERLAP).svg))
    assert "10000" not in texts(best_so_far(SPREAD[2:], NTK).svg)


def test_accuracies_stay_in_percent_however_far_they_spread():
    _, axes = axes_of(SMALL, "", "")
    scale_axis(axes, "y", "accuracy", np.array([0.001, 0.9]))
    assert axes.get_yscale() == "linear"


def test_who_holds_a_worst_value_is_in_no_picture_and_does_not_stretch_the_box():
    for draw in (lambda rows: best_so_far(rows, NTK), lambda rows: front(rows, NTK, OVERLAP)):
        ticks = texts(draw([*SPREAD, FLAGGED]).svg)
        assert not [text for text in ticks if "1e+1" in text or "outside" in text]
    assert hypervolume_sentence([*SPREAD, FLAGGED], [NTK, OVERLAP]) == hypervolume_sentence(SPREAD, [NTK, OVERLAP])


def test_of_many_candidates_a_chart_draws_a_part_and_says_so(monkeypatch):
    monkeypatch.setattr(fronts, "MOST_DRAWN", 10)
    rows = [row(float(i), -float(i % 7)) for i in range(1, 26)]
    for chart in (best_so_far(rows, NTK), front(rows, NTK, OVERLAP)):
        assert "1 candidate in 3" in texts(chart.svg)
        points = re.search(r'id="PathCollection_1".*?</g>', chart.svg, re.S)[0].count("<use")
        assert points == 9
    assert len(front(rows, NTK, OVERLAP).marks) == len(front(rows[:6], NTK, OVERLAP).marks)  # the front is whole


def test_outliers_are_those_of_the_scale_that_is_drawn():
    points = np.array([[0.0, value] for value in (10.0, 20.0, 40.0, 80.0, 160.0, 5000.0)])
    _, axes = axes_of(SMALL, "", "")
    assert look_at(axes, points) == 1
    _, axes = axes_of(SMALL, "", "")
    axes.set_yscale("log")
    assert look_at(axes, points) == 0


def test_marks_lie_where_the_points_of_the_front_are_drawn():
    rows = [row(60.0, -40.0), row(10.0, -90.0), row(40.0, -120.0), row(70.0, -130.0)]
    chart = front(rows, NTK, OVERLAP)
    assert len(chart.marks) == 3
    assert all(0 < mark.x < 100 and 0 < mark.y < 100 for mark in chart.marks)
    width, height = map(float, re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', chart.svg).groups())
    drawn = re.findall(r'<use [^>]*x="([\d.]+)" y="([\d.]+)"', chart.svg)
    for mark in chart.marks:
        x, y = mark.x * width / 100, mark.y * height / 100
        assert min(abs(float(u) - x) + abs(float(v) - y) for u, v in drawn) < 1


def test_each_improvement_is_marked():
    chart = best_so_far([row(60.0, -40.0), row(70.0, -40.0), row(10.0, -40.0)], NTK)
    assert [mark.text.split(":")[0] for mark in chart.marks] == ["estimate 1", "estimate 3"]
