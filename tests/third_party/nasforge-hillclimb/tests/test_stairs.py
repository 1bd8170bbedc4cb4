import pytest
from nasforge_hillclimb.stairs import Stairs

from nasforge import Architecture, ArchitectureError, OptionError
from nasforge.testing import SpaceContract


class TestStairs(SpaceContract):
    @pytest.fixture
    def space(self):
        return Stairs()


class TestThreeStages(SpaceContract):
    @pytest.fixture
    def space(self):
        return Stairs(stages=3, channels=4)


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ([[3, 1, 1]], "must be a list of 2 stages"),
        ([[3, 1, 1], [3, 1]], "stages[1]"),
        ([[3, 1, 1], [4, 1, 1]], "kernel of 'stages[1]' is 4; it must be one of (3, 5)"),
    ],
)
def test_what_is_wrong_with_an_architecture_is_named(stages, said):
    with pytest.raises(ArchitectureError) as error:
        Stairs().validate(Architecture.of("stairs", {"stages": stages}))
    assert said in str(error.value)


def test_images_too_small_for_the_stages_are_refused():
    space = Stairs(stages=4)
    architecture = space.decode([0] * 12)
    with pytest.raises(OptionError, match=r"space\.stages"):
        space.build(architecture, (3, 4, 4), 2)
