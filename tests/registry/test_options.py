"""Options are checked against annotations; each error names the key, the value and what would be right."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from pydantic import Field

from nasforge import OptionError
from nasforge.registry.options import checked, described, filled


@dataclass(frozen=True, kw_only=True)
class Stage:
    cells: Annotated[int, Field(ge=1)]
    images: int = 100


class Part:
    def __init__(
        self,
        *,
        needed: int,
        population: Annotated[int, Field(ge=2, le=64)] = 4,
        sigma: Annotated[float, Field(gt=0)] = 1.0,
        seed: Annotated[int, Field(ge=0)] | None = None,
        order: Literal["first", "last"] = "first",
        degree: Literal[1, 2] = 1,
        degrees: tuple[Literal[1, 2], ...] = (),
        names: tuple[str, ...] = (),
        stages: tuple[Stage, ...] = (),
        weights: Mapping[str, float] | None = None,
        flag: bool = False,
    ):
        self.given = {key: value for key, value in locals().items() if key != "self"}


def given(**options):
    return checked(Part, {"needed": 1, **options}, where="strategy").given


def refused(**options):
    with pytest.raises(OptionError) as error:
        given(**options)
    return str(error.value)


def test_defaults_are_the_constructors():
    assert given()["population"] == 4


def test_whole_numbers_fit_where_fractions_may_stand():
    assert given(sigma=2)["sigma"] == 2.0


def test_lists_become_tuples():
    assert given(names=["a", "b"])["names"] == ("a", "b")


def test_null_is_allowed_where_the_annotation_says_so():
    assert given(seed=None)["seed"] is None


def test_nested_dataclasses_are_built():
    assert given(stages=[{"cells": 3}])["stages"] == (Stage(cells=3),)


def test_mappings_pass():
    assert given(weights={"a": 1})["weights"] == {"a": 1.0}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"population": 1}, "strategy.population=1: it must be a whole number, at least 2 and at most 64"),
        ({"population": "8"}, 'strategy.population="8": it must be a whole number, at least 2 and at most 64'),
        ({"population": True}, "strategy.population=true: it must be a whole number, at least 2 and at most 64"),
        ({"population": 8.5}, "strategy.population=8.5: it must be a whole number, at least 2 and at most 64"),
        ({"population": None}, "strategy.population=null: it must be a whole number, at least 2 and at most 64"),
        ({"sigma": 0}, "strategy.sigma=0: it must be a number, above 0"),
        ({"sigma": float("nan")}, "strategy.sigma=NaN: it must be a number, above 0"),
        ({"sigma": True}, "strategy.sigma=true: it must be a number, above 0"),
        ({"seed": -1}, "strategy.seed=-1: it must be a whole number, at least 0, or null"),
        ({"order": "middle"}, 'strategy.order="middle": it must be one of first, last'),
        ({"degree": True}, "strategy.degree=true: it must be one of 1, 2"),
        ({"degrees": [2, True]}, "strategy.degrees=[2, true]: it must be a list, each item one of 1, 2"),
        ({"names": "ab"}, 'strategy.names="ab": it must be a list, each item text'),
        ({"flag": 1}, "strategy.flag=1: it must be true or false"),
        ({"stages": [{"cells": 0}]}, "strategy.stages[0].cells=0: it must be a whole number, at least 1"),
        ({"stages": [3]}, "strategy.stages[0]=3: it must hold the options cells, images"),
    ],
)
def test_wrong_values_are_named_with_what_would_be_right(options, sentence):
    assert refused(**options) == sentence


def test_a_wrong_key_gets_the_nearest_right_one_and_all_of_them():
    said = refused(populaton=3)
    assert "no option strategy.populaton. Did you mean strategy.population?" in said
    assert "needed, population, sigma" in said


def test_a_wrong_nested_key_is_refused():
    assert "strategy.stages[0].cell. Did you mean strategy.stages[0].cells?" in refused(stages=[{"cell": 1}])


def test_a_missing_option_is_named():
    with pytest.raises(OptionError, match=r"strategy\.needed is missing: it must be a whole number"):
        checked(Part, {}, where="strategy")


def test_a_section_that_is_no_section_is_refused():
    with pytest.raises(OptionError, match="budget=5: it must hold the options cells, images"):
        checked(Stage, 5, where="budget")


def test_filled_options_have_every_default_as_json():
    assert filled(Stage, {"cells": 2}) == {"cells": 2, "images": 100}


def test_annotations_that_cannot_be_read_name_their_class():
    class Odd:
        def __init__(self, *, x: "Missing"):  # noqa: F821
            pass

    with pytest.raises(OptionError, match=r"Odd cannot be read: name 'Missing' is not defined"):
        checked(Odd, {"x": 1}, where="space")


def test_plain_classes_are_described_by_name():
    assert described(Annotated[list[int], Field(min_length=2)]) == "a list, each item a whole number, at least 2 long"
