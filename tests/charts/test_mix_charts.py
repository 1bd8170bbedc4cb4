"""Heat maps of mixing weights: what is drawn where, in which hue, and what is said beside it."""

import re
import xml.etree.ElementTree as ET

import pytest
import torch

from nasforge import mix_over_time
from nasforge.charts.drawing import family
from nasforge.charts.svg import LIGHT, inline

OPERATIONS = ("none", "skip_connect", "avg_pool_3x3", "sep_conv_3x3")
LABELS = {"normal": (["c_{k-2} → 0", "c_{k-1} → 0"], OPERATIONS)}


def trace(times):
    """Equal weights that lean to a skip on the first edge and to a convolution on the second."""
    rows = torch.full((times, 2, 4), 0.25)
    for time in range(times):
        rows[time, 0, 1] += 0.2 * time / max(1, times - 1)
        rows[time, 1, 3] += 0.1 * time / max(1, times - 1)
    return {"normal": rows / rows.sum(-1, keepdim=True)}


def drawn(picture):
    """(hue, opacity, number of rectangles) of each path that is filled."""
    paths = [element.attrib for element in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}path")]
    return [(path["fill"], float(path["fill-opacity"]), path["d"].count("M")) for path in paths if "fill" in path]


def test_the_strongest_operation_has_the_darkest_shade_of_its_family():
    (picture,) = mix_over_time(trace(5), LABELS).values()
    shades = drawn(picture)
    assert max(shades, key=lambda one: one[1])[::2] == (LIGHT["skip"], 1), "a skip at the end of one edge"
    assert {hue for hue, _, _ in shades} == {LIGHT[family(name)] for name in OPERATIONS}
    assert sum(count for _, _, count in shades) <= 5 * 2 * 4
    said = re.findall(r">([^<>]*%)<", picture)
    assert "skip 37.5%" in said  # 0.45 of 1.2
    assert "sep 3×3 31.8%" in said  # 0.35 of 1.1


def test_equal_weights_are_a_picture_as_well():
    (picture,) = mix_over_time({"normal": torch.full((1, 2, 4), 0.25)}, LABELS).values()
    assert drawn(picture) == [], "no shade above the smallest one"
    assert "after epoch 0" in picture


def test_many_epochs_are_thinned_out_with_the_ends_kept():
    (picture,) = mix_over_time(trace(601), LABELS).values()
    assert sum(count for _, _, count in drawn(picture)) <= 60 * 2 * 4
    assert "after epoch 600" in picture
    assert "skip 37.5%" in picture


def test_betas_stand_beside_their_edges():
    plain, weighed = (
        mix_over_time(trace(3), LABELS, betas)["normal"] for betas in (None, {"normal": torch.tensor([0.3, 0.7])})
    )
    assert "β" not in plain
    assert re.findall(r"β [\d.]+%", weighed) == ["β 30.0%", "β 70.0%"]


def test_a_mix_without_names_is_numbered():
    (picture,) = mix_over_time(trace(2), {}).values()
    assert ">1 37.5%<" in picture


@pytest.mark.parametrize("times", [1, 9])
def test_a_page_can_turn_it_dark(times):
    picture = inline(mix_over_time(trace(times), LABELS)["normal"], "mix", "how it moved")
    assert not any(light in picture for light in LIGHT.values())
