"""Where networks stand in three scores: the best at the origin, scales to read, and nobody who was not measured."""

import re

import numpy as np
import pytest

from nasforge import Architecture, Evaluation, Objective
from nasforge_plugins.shared.generations import Generation
from nasforge_plugins.shared.score_space import DIRECTIONS, scores_in_space

THREE = [
    Objective("ntk_condition", "min", label="NTK condition number"),
    Objective("linear_regions", "max"),
    Objective("zen", "max", label="Zen score"),
]


def someone(number, *scores, status="ok", reason=""):
    metrics = dict(zip((objective.metric for objective in THREE), scores, strict=False))
    return Evaluation(Architecture.of("any", {"number": number}, str(number)), metrics, status, reason)


def texts(svg):
    return re.findall(r"<t(?:ext|span)[^>]*>([^<]+)</t", svg)


def places(svg, color):
    """Of all points of that color, in the picture's own units; the last one is the legend's."""
    drawn = re.findall(r'<use[^>]*x="([\d.-]+)" y="([\d.-]+)"[^>]*style="fill: (#\w+)', svg)
    return np.array([(float(x), -float(y)) for x, y, fill in drawn if fill == color][:-1])


BLUE = "#2563c9"
CORNERS = [someone(0, 10, 900, 5), someone(1, 20, 900, 5), someone(2, 10, 500, 5), someone(3, 10, 900, 1)]


def test_the_best_is_at_the_origin_and_the_worst_at_an_axis_end():
    found = places(scores_in_space([Generation("", tuple(CORNERS))], THREE), BLUE)
    steps = found[1:] - found[0]
    scale = np.linalg.norm(steps[2]) / np.linalg.norm(DIRECTIONS[2])
    np.testing.assert_allclose(steps, scale * DIRECTIONS, atol=0.01 * scale)


def test_scales_say_their_ends_and_where_they_are_logarithms():
    said = texts(scores_in_space([Generation("", tuple(CORNERS))], THREE))
    assert {"NTK condition number", "10 to 20", "linear regions", "900 to 500", "Zen score", "5 to 1"} <= set(said)
    wide = [*CORNERS, someone(4, 1e5, 700, 3)]
    assert "NTK condition number, log" in texts(scores_in_space([Generation("", tuple(wide))], THREE))


def test_who_was_not_measured_is_left_out():
    others = [someone(5, 1e12, 0, -1e8, reason="flagged"), someone(6, status="failed"), someone(7, 10, 900)]
    with_them = scores_in_space([Generation("", (*CORNERS, *others))], THREE)
    assert len(places(with_them, BLUE)) == len(CORNERS)
    assert "10 to 20" in texts(with_them)


def test_generations_have_colours_and_landmarks_have_names():
    generations = [Generation("", (someone(n, 10 + n, 900 - n, n),)) for n in range(10)]
    landmarks = {"VGG-11": [someone(20, 5, 1000, 12)], "random genomes": CORNERS}
    said = texts(scores_in_space(generations, THREE, landmarks))
    assert {"generations 0 to 1", "generations 8 to 9", "VGG-11", "random genomes", "medians"} <= set(said)
    assert "5 to 20" in said  # scales reach to the landmarks


def test_one_population_alone_has_no_number_and_no_way_to_go():
    said = texts(scores_in_space([Generation("", tuple(CORNERS))], THREE))
    assert "population" in said
    assert not {"medians", "generation 0"} & set(said)


def test_one_network_that_equals_all_is_a_picture_too():
    assert "10 to 10" in texts(scores_in_space([Generation("", (CORNERS[0],))], THREE))


@pytest.mark.parametrize(("objectives", "members"), [(THREE[:2], CORNERS), (THREE, [])])
def test_nothing_to_show_is_said(objectives, members):
    with pytest.raises(ValueError, match="three scores"):
        scores_in_space([Generation("", tuple(members))], objectives)
