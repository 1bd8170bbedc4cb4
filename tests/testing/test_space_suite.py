"""Spaces that are wrong in one way each: `SpaceContract` says which, in a sentence that their author understands."""

import copy
import random

import numpy as np
import pytest
import torch
from torch import nn

from nasforge import (
    Architecture,
    ArchitectureError,
    CellGraph,
    Elastic,
    Network,
    OptionError,
    Supernet,
    VectorEncoded,
    WeightSharing,
)
from nasforge.testing import SpaceContract
from nasforge.testing.samples import samples


class Steps(VectorEncoded):
    """Three decisions out of three; the base of all wrong ones below, and itself right."""

    name = "steps"
    cardinalities = (3, 3, 3)

    def encode(self, architecture):
        return np.array(self.validate(architecture)["steps"])

    def decode(self, vector):
        return self.validate(Architecture.of(self.name, {"steps": [int(value) for value in vector]}))

    def validate(self, architecture):
        steps = architecture["steps"]
        if architecture.space != self.name or len(steps) != 3 or not set(steps) <= {0, 1, 2}:
            raise ArchitectureError(f"{architecture} has no three steps of 0, 1 or 2")
        return Architecture.of(self.name, {"steps": steps}, "-".join(map(str, steps)))

    def draw(self, architecture):
        return [CellGraph("steps", ("image", "classes"), ((0, 1, str(architecture)),))]

    def build(self, architecture, input_shape, classes, *, channels=None, cells=None, auxiliary=False):
        return StepsNetwork(input_shape[0], classes)


class StepsNetwork(Network):
    def __init__(self, channels, classes):
        super().__init__()
        self.classifier = nn.Linear(channels, classes)

    def forward(self, images):
        return self.classifier(images.mean((2, 3)))


class TestSteps(SpaceContract):
    @pytest.fixture
    def space(self):
        return Steps()


# Variation


class Forgetful(Steps):
    """Draws from a generator of its own."""

    def __init__(self):
        self.own = np.random.default_rng(0)

    def sample(self, rng):
        return super().sample(self.own)


class Counting(Steps):
    """Keeps something between calls."""

    asked = 0

    def sample(self, rng):
        self.asked += 1
        return self.decode((rng.integers(3, size=3) + self.asked) % 3)


class GlobalSample(Steps):
    def sample(self, rng):
        return self.decode(np.random.randint(0, 3, 3))


class GlobalMutate(Steps):
    def mutate(self, architecture, rng):
        random.random()
        return super().mutate(architecture, rng)


class GlobalDraw(Steps):
    def draw(self, architecture):
        torch.manual_seed(0)
        return super().draw(architecture)


class Deaf(Steps):
    def sample(self, rng):
        return self.decode((0, 1, 2))

    mutate = crossover = lambda self, *_: self.decode((0, 1, 1))


class DeafSample(Steps):
    """Its mutants are honest."""

    def sample(self, rng):
        return self.decode((0, 1, 2))


LETTERS = "abcdefghijklmnopqrstuvwxyz"


class SetOrder(Steps):
    def sample(self, rng):
        letters = list(set(LETTERS))
        return self.decode([ord(letters[place]) % 3 for place in rng.integers(len(letters), size=3)])


class Same(Steps):
    def mutate(self, architecture, rng):
        return architecture


class MutatesInPlace(Steps):
    def mutate(self, architecture, rng):
        child = super().mutate(architecture, rng)
        object.__setattr__(architecture, "genes", (("steps", (0, 0, 0)),))
        return child


class CrossesInPlace(Steps):
    def crossover(self, a, b, rng):
        object.__setattr__(b, "genes", a.genes)
        return a


class Lists(Steps):
    def validate(self, architecture):
        return Architecture(self.name, (("steps", list(super().validate(architecture)["steps"])),), "lists")


class Silent(Steps):
    def validate(self, architecture):
        return Architecture.of(self.name, {"steps": super().validate(architecture)["steps"]})


class Elsewhere(Steps):
    def sample(self, rng):
        return Architecture("elsewhere", super().sample(rng).genes, "elsewhere")

    mutate = crossover = lambda self, one, *_: one


class Uncanonical(Steps):
    def sample(self, rng):
        return Architecture.of(self.name, {"steps": [1, 2, 0], "more": int(rng.integers(99))}, "more")

    mutate = crossover = lambda self, one, *_: one


# Round trips


class Reversed(Steps):
    def encode(self, architecture):
        return super().encode(architecture)[::-1].copy()


class Narrow(Steps):
    cardinalities = (3, 3, 2)

    def sample(self, rng):
        return self.decode((2, 2, 2))


class Short(Steps):
    def encode(self, architecture):
        return super().encode(architecture)[:2]


class Rounding(Steps):
    """Gives one architecture for several vectors."""

    def decode(self, vector):
        return super().decode((0, *vector[1:]))


class WritesVector(Steps):
    def decode(self, vector):
        one = super().decode(vector)
        vector[:] = 0
        return one


class Fractions(Steps):
    def encode(self, architecture):
        return super().encode(architecture).astype(float)


class Listed(Steps):
    def encode(self, architecture):
        return list(super().encode(architecture))


class OneVector(Steps):
    vector = np.zeros(3, int)

    def encode(self, architecture):
        if (self.vector >= 0).all():
            self.vector[:] = super().encode(architecture)
        return self.vector


class Unreadable(Steps):
    def read(self, text):
        return self.decode((0, 0, 0))


class Permissive(Steps):
    def validate(self, architecture):
        return architecture


class KeyErrors(Steps):
    def validate(self, architecture):
        return Architecture.of(self.name, {"steps": dict(architecture.genes)["steps"]}, "steps")


class WrongPreset(Steps):
    presets = {"half": Architecture.of("steps", {"steps": [0, 1, 2], "more": 1})}  # noqa: RUF012


class IdentityKey(Steps):
    def function_key(self, architecture):
        return id(architecture)


class BackwardEdge(Steps):
    def draw(self, architecture):
        return [CellGraph("steps", ("image", "classes"), ((1, 0, ""),))]


class Unsendable(Steps):
    def __init__(self):
        self.choose = lambda values: values[0]


class SeededByProcess(Steps):
    """A copy is not what it was."""

    shift = 0

    def __setstate__(self, state):
        self.shift = 1

    def __getstate__(self):
        return {"shift": 0}

    def sample(self, rng):
        return self.decode((rng.integers(3, size=3) + self.shift) % 3)


# Networks


def building(network):
    """A space whose networks are `network(channels, classes)`."""

    class Building(Steps):
        def build(self, architecture, input_shape, classes, **options):
            return network(input_shape[0], classes)

    return Building


class OneClassTooMany(StepsNetwork):
    def __init__(self, channels, classes):
        super().__init__(channels, classes + 1)


class Pairs(StepsNetwork):
    def forward(self, images):
        return super().forward(images), None


class Infinite(StepsNetwork):
    def forward(self, images):
        return super().forward(images) / 0


class OddHead(StepsNetwork):
    def with_auxiliary(self, images):
        return self(images), images.mean((2, 3))


class OwnWeights(StepsNetwork):
    def __init__(self, channels, classes):
        super().__init__(channels, classes)
        self.classifier.weight.data = torch.from_numpy(np.random.default_rng().random((classes, channels))).float()


class NumpyWeights(StepsNetwork):
    def __init__(self, channels, classes):
        super().__init__(channels, classes)
        self.classifier.weight.data = torch.from_numpy(np.random.rand(classes, channels)).float()


class Reseeding(StepsNetwork):
    def __init__(self, channels, classes):
        torch.manual_seed(0)
        super().__init__(channels, classes)


class AlwaysDropping(StepsNetwork):
    def forward(self, images):
        return super().forward(images) * (1 - self.drop_path)


class Dropout(StepsNetwork):
    def forward(self, images):
        return nn.functional.dropout(super().forward(images))


class BatchMean(StepsNetwork):
    def forward(self, images):
        return super().forward(images - images.mean(0))


class BuildsOnce(Steps):
    """Hands out one network for each shape."""

    def __init__(self):
        self.built = {}

    def build(self, architecture, *shape, **options):
        if shape not in self.built:
            self.built[shape] = super().build(architecture, *shape, **options)
        return self.built[shape]


class Copies(BuildsOnce):
    def build(self, architecture, *shape, **options):
        return copy.deepcopy(super().build(architecture, *shape, **options))


class Constant(StepsNetwork):
    """No fault: nothing in it is random."""

    def __init__(self, channels, classes):
        super().__init__(channels, classes)
        nn.init.ones_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)


class LayersInSetOrder(Steps):
    def build(self, architecture, input_shape, classes, **options):
        network = super().build(architecture, input_shape, classes)
        network.layers = nn.ModuleDict({letter: nn.Linear(1, 1) for letter in set(LETTERS)})
        return network


class BuildsInPlace(Steps):
    def build(self, architecture, *shape, **options):
        network = super().build(architecture, *shape, **options)
        object.__setattr__(architecture, "genes", (("steps", (0, 0, 0)),))
        return network


WRONG = [
    (Forgetful, "the_same_generator_gives_the_same", "they must draw only from the generator that is passed"),
    (Counting, "the_same_generator_gives_the_same", "keep nothing between calls"),
    (Deaf, "the_same_generator_gives_the_same", "another seed must lead to other architectures"),
    (DeafSample, "the_same_generator_gives_the_same", "sample() must draw from the generator that is passed"),
    (GlobalSample, "global_random_state_is_left_alone", "crossover() changed the global random state of NumPy"),
    (GlobalMutate, "global_random_state_is_left_alone", "changed the global random state of Python's random"),
    (GlobalDraw, "global_random_state_is_left_alone", "presets changed the global random state of torch"),
    (Same, "mutation_gives_a_neighbour", "mutate() must return a different architecture"),
    (MutatesInPlace, "mutation_gives_a_neighbour", "mutate() changed its argument"),
    (CrossesInPlace, "crossover_leaves_the_parents_alone", "crossover() changed its arguments"),
    (Lists, "what_it_gives_is_valid_and_its_own", "genes must be nested tuples; make it with Architecture.of"),
    (Silent, "what_it_gives_is_valid_and_its_own", "give architectures a notation for people to read"),
    (Elsewhere, "what_it_gives_is_valid_and_its_own", "has space 'elsewhere', not 'steps'"),
    (Uncanonical, "what_it_gives_is_valid_and_its_own", "validate() changed an architecture of the space itself"),
    (Reversed, "vectors_there_and_back", "decode(encode(a)) must be a: "),
    (Narrow, "vectors_there_and_back", "encode() returned 2 at position 2, but cardinalities allow 0 to 1"),
    (Short, "vectors_there_and_back", "one integer for each of the 3 decisions, not shape (2,)"),
    (Fractions, "vectors_there_and_back", "encode() must return integers, not float64"),
    (Listed, "vectors_there_and_back", "encode() must return a numpy array of integers, not a list"),
    (
        OneVector,
        "vectors_there_and_back",
        "encode() returned an array that the space keeps; return a new one each time",
    ),
    (Rounding, "every_vector_is_an_architecture", "encode(decode(v)) must be v: "),
    (WritesVector, "every_vector_is_an_architecture", "decode() changed the vector"),
    (Unreadable, "json_there_and_back", "an architecture must survive JSON: "),
    (Permissive, "foreign_and_broken_architectures_are_refused", "of space 'elsewhere'; it must raise"),
    (KeyErrors, "foreign_and_broken_architectures_are_refused", "an ArchitectureError must say what is wrong"),
    (WrongPreset, "presets_are_valid", "preset 'half' is not in canonical form"),
    (IdentityKey, "equal_architectures_have_one_function_key", "function_key() must depend on the genes alone"),
    (BackwardEdge, "drawings_have_valid_edges", "'steps' has no edge 1 -> 0: edges go from earlier to later nodes"),
    (Unsendable, "a_copy_in_another_process_is_the_same", "space 'steps' cannot be pickled"),
    (SeededByProcess, "a_copy_in_another_process_is_the_same", "a pickled copy returns other architectures"),
    (SetOrder, "a_copy_in_another_process_is_the_same", "another process returns other architectures"),
    (LayersInSetOrder, "a_copy_in_another_process_is_the_same", "another process builds another network"),
    (BuildsOnce, "networks_come_from_the_global_generator", "two networks from build() share classifier.weight"),
    (Copies, "networks_come_from_the_global_generator", "the same weights for another seed"),
    (BuildsInPlace, "networks_give_logits", "build() changed the architecture"),
    (building(nn.Linear), "networks_give_logits", "build() must return a nasforge.Network, not a Linear"),
    (building(OneClassTooMany), "networks_give_logits", "must return logits (B, classes), here (4, 2), not (4, 3)"),
    (building(Pairs), "networks_give_logits", "must return a tensor of logits, not a tuple"),
    (building(Infinite), "networks_give_logits", "returned logits that are not finite"),
    (
        building(OddHead),
        "an_auxiliary_head_gives_logits_too",
        "the auxiliary head: images (3, 8, 8) must return logits",
    ),
    (building(OwnWeights), "networks_come_from_the_global_generator", "classifier.weight differs"),
    (
        building(NumpyWeights),
        "networks_come_from_the_global_generator",
        "build() changed the global random state of NumPy",
    ),
    (building(Reseeding), "networks_come_from_the_global_generator", "draw weights from torch's global generator"),
    (building(AlwaysDropping), "drop_path_is_off_in_eval_mode", "drop_path must do nothing in eval mode"),
    (building(Dropout), "drop_path_is_off_in_eval_mode", "in eval mode the same images must give the same logits"),
    (building(BatchMean), "images_of_a_batch_do_not_meet", "must not depend on the other images of its batch"),
]


@pytest.mark.parametrize(("wrong", "test", "sentence"), WRONG)
def test_a_wrong_space_is_told_what_is_wrong(wrong, test, sentence, tmp_path):
    space = wrong()
    offered = {"space": space, "tmp_path": tmp_path, "shape": (3, 8, 8), "classes": 2}
    said = failure(SpaceContract, test, lambda: {**offered, "architectures": samples(space, 0)})
    assert sentence in said


def test_a_network_without_chance_is_the_same_under_every_seed():
    SpaceContract().test_networks_come_from_the_global_generator(building(Constant)())


def failure(suite, test, offered):
    """What a test of a suite says as it fails, given those of the fixtures that it asks for."""
    function = getattr(suite, f"test_{test}")
    names = function.__code__.co_varnames[1 : function.__code__.co_argcount]
    with pytest.raises((AssertionError, pytest.fail.Exception)) as error:
        function(suite(), **{name: value for name, value in offered().items() if name in names})
    return str(error.value)


# Shared weights


class StepsSupernet(Supernet):
    """A sum of linear operations, one for each column of the mix."""

    alpha_shapes = {"step": (1, 3)}  # noqa: RUF012
    out = 0

    def __init__(self, channels, classes, width):
        super().__init__()
        self.options = {"channels": width}
        self.operations = nn.ModuleList(nn.Linear(channels, classes + self.out) for _ in range(3))

    def forward(self, images, mix):
        maps = images.mean((2, 3))
        return sum(share * one(maps) for share, one in zip(mix["step"][0], self.operations, strict=True))


class Shared(Steps, WeightSharing):
    """One decision; the base of the wrong ones below, and itself right."""

    cardinalities = (3,)
    made = StepsSupernet

    def validate(self, architecture):
        if architecture.space != self.name or architecture["steps"] not in ((0,), (1,), (2,)):
            raise ArchitectureError(f"{architecture} is no step of 0, 1 or 2")
        return Architecture.of(self.name, {"steps": architecture["steps"]}, str(architecture["steps"][0]))

    def supernet(self, input_shape, classes, *, channels=None, cells=None, **options):
        self.check_supernet_choices(**options)
        return self.made(input_shape[0], classes, channels or 8)

    def mix(self, alphas, betas=None):
        return {"step": alphas["step"].softmax(1)}

    def mix_of(self, architecture):
        return {"step": torch.eye(3)[list(architecture["steps"])]}

    def derive(self, mix):
        return self.decode([int(mix["step"].argmax())])


class SizedNetwork(nn.Module):
    """Step 2 is the largest."""

    def __init__(self, channels, classes, step):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(channels, classes) for _ in range(step + 1))

    def forward(self, images):
        return sum(layer(images.mean((2, 3))) for layer in self.layers)


class InSizes(Shared, Elastic):
    largest, smallest = (Architecture.of("steps", {"steps": (step,)}, str(step)) for step in (2, 0))

    def build(self, architecture, input_shape, classes, *, channels=None, cells=None, auxiliary=False):
        return SizedNetwork(input_shape[0], classes, architecture["steps"][0])


class UpsideDown(InSizes):
    largest, smallest = InSizes.smallest, InSizes.largest


class NotTheLargest(InSizes):
    largest = Architecture.of("steps", {"steps": (1,)}, "1")


@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        (UpsideDown, "`largest` must have more parameters than `smallest`"),
        (
            NotTheLargest,
            "`smallest` has 1.6e-05 million parameters and `largest` 3.2e-05, but a random one has 4.8e-05",
        ),
    ],
)
def test_wrong_sizes_are_told_what_is_wrong(space, sentence):
    test = "no_architecture_is_larger_than_the_largest_or_smaller_than_the_smallest"
    assert sentence in failure(SpaceContract, test, lambda: {"space": space()})
    getattr(SpaceContract(), f"test_{test}")(InSizes())


class TestShared(SpaceContract):
    @pytest.fixture
    def space(self):
        return Shared()


class Wider(StepsSupernet):
    out = 1


class OddOptions(StepsSupernet):
    """Whose options make another one."""

    def __init__(self, channels, classes, width):
        super().__init__(channels, classes, width)
        self.options = {"channels": 1}
        self.factor = width

    def forward(self, images, mix):
        return super().forward(images, mix) * self.factor


class TooWide(Shared):
    made = Wider


class NotItsOptions(Shared):
    made = OddOptions


class Detached(Shared):
    def mix(self, alphas, betas=None):
        return {"step": alphas["step"].detach().softmax(1).requires_grad_()}


class MixesInPlace(Shared):
    def mix(self, alphas, betas=None):
        return {"step": alphas["step"].mul_(2).softmax(1)}


class DerivesInPlace(Shared):
    def derive(self, mix):
        one = super().derive(mix)
        mix["step"].zero_()
        return one


class Swallowing(Shared):
    def check_supernet_choices(self, **asked):
        pass


class Promising(Shared):
    supernet_options = frozenset({"include_none"})

    def check_supernet_choices(self, **asked):
        if any(value is not None for value in asked.values()):
            raise OptionError("no include_none, no partial_channels, no pool_normalization")


class Forgetting(Shared):
    """Takes it, and its supernet's options do not say so."""

    supernet_options = frozenset({"include_none"})


class Inventing(Shared):
    supernet_options = frozenset({"betas"})


class Mumbling(Shared):
    def check_supernet_choices(self, **asked):
        raise OptionError("no")


class WithoutBetas(Shared):
    def mix(self, alphas, betas=None):
        mix = super().mix(alphas)
        return mix if betas is None else {"step": mix["step"] * betas["step"][:, None, None]}


class Amplifying(Shared):
    def mix(self, alphas, betas=None):
        mix = super().mix(alphas)
        return mix if betas is None else {"step": mix["step"] * 2}


class Contrary(Shared):
    def derive(self, mix):
        return self.decode([int(mix["step"].argmin())])


@pytest.mark.parametrize(
    ("wrong", "test", "sentence"),
    [
        (TooWide, "supernet_computes_under_any_mix", "must return logits (B, classes), here (4, 4), not (4, 5)"),
        (Detached, "supernet_computes_under_any_mix", "the mix must be differentiable"),
        (NotItsOptions, "options_build_the_supernet_again", "with the same weights, must compute the same"),
        (MixesInPlace, "derived_architectures_are_what_their_mix_says", "mix() changed the alphas"),
        (DerivesInPlace, "derived_architectures_are_what_their_mix_says", "derive() changed the mix"),
        (
            Swallowing,
            OPEN := "supernet_options_are_what_it_leaves_open",
            "accepts partial_channels=1 and 2: add it to `su",
        ),
        (Promising, OPEN, "`supernet_options` has include_none, but supernet(include_none=False) is refused"),
        (Forgetting, OPEN, "`options` of supernet(include_none=False) has include_none: None"),
        (Inventing, OPEN, "may contain partial_channels, include_none, pool_normalization, not betas"),
        (Mumbling, OPEN, "is refused without naming partial_channels: no"),
        (WithoutBetas, "betas_weigh_edges", "'step' has shape (1, 1, 3), not (1, 3)"),
        (Amplifying, "betas_weigh_edges", "mix()['step'] must not be larger with betas"),
        (Contrary, "derived_architectures_are_what_their_mix_says", "derive(mix_of(a)) must be a: "),
    ],
)
def test_wrong_shared_weights_are_told_what_is_wrong(wrong, test, sentence):
    assert sentence in failure(SpaceContract, test, lambda: {"space": wrong()})


def test_a_space_that_refuses_what_it_says_it_leaves_open_cannot_be_searched(tmp_path):
    offered = {"space": Promising(), "strategy": "darts", "tmp_path": tmp_path}
    said = failure(SpaceContract, "one_shot_strategies_search_it", lambda: offered)
    assert (
        said
        == "strategy=darts with its defaults is refused: no include_none, no partial_channels, no pool_normalization"
    )


def test_what_a_person_asks_for_is_refused_where_a_space_has_it_not():
    space, preferred = Shared(), {"include_none": True}
    assert space.supernet_choices({"include_none": None, "channels": None}, preferred) == {
        "include_none": None,
        "channels": None,
    }
    asked = space.supernet_choices({"include_none": False}, preferred)
    with pytest.raises(OptionError, match=r"include_none=false does not work with space 'steps'.*null would be right"):
        space.supernet((3, 8, 8), 2, **asked)
    assert Forgetting().supernet_choices({"include_none": None}, preferred) == preferred
