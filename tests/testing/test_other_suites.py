"""Estimators, data modules and strategies that are wrong in one way each, and what their suites say."""

import random
import time
from functools import cached_property

import numpy as np
import pytest
import torch
from test_space_suite import Steps, failure

from nasforge import AskTellStrategy, DataModule, Estimate, Estimator, ImageSet, Objective, hold_out
from nasforge.devices.threads import torch_threads
from nasforge.estimator import Context
from nasforge.testing import DataContract, EstimatorContract, PackageContract, StrategyContract, tiny_data
from nasforge.testing.strategy import searches, watched_search

# Estimators


class Brightness(Estimator):
    """The base of the wrong ones below, and itself right."""

    name = "brightness"
    objectives = (Objective("accuracy", "max"), Objective("latency_ms", "min"))

    def estimate(self, architecture, context):
        return Estimate({"accuracy": sum(architecture["steps"]) / 6, "latency_ms": 3.0})


class TestBrightness(EstimatorContract):
    @pytest.fixture
    def estimator(self):
        return Brightness()

    @pytest.fixture
    def space(self):
        return Steps()


class NoObjectives(Brightness):
    objectives = ("accuracy",)


class Downwards(Brightness):
    objectives = (Objective("accuracy", "min"), Objective("latency_ms", "min"))


class Twice(Brightness):
    objectives = (Objective("accuracy", "max"), Objective("accuracy", "max"))


class TooMany(Brightness):
    objectives = (Objective("accuracy", "max"),)


def giving(name, value):
    """An estimator that gives one metric."""

    class Giving(Brightness):
        objectives = (Objective(name, "max"),)

        def estimate(self, architecture, context):
            return Estimate({name: value})

    return Giving


class Clock(Brightness):
    def estimate(self, architecture, context):
        return Estimate({"accuracy": time.perf_counter() % 1, "latency_ms": 3.0})


class OwnGenerator(Brightness):
    def __init__(self):
        self.rng = np.random.default_rng()

    def estimate(self, architecture, context):
        return Estimate({"accuracy": self.rng.random(), "latency_ms": 3.0})


class Remembering(Brightness):
    """Equal when it is asked for one architecture again, but not beside others."""

    last = None

    def estimate(self, architecture, context):
        seen, self.last = self.last not in (None, architecture), architecture
        return Estimate({"accuracy": 0.5 + seen / 4, "latency_ms": 3.0})


class FirstSeen(Brightness):
    """Scores by the first one that any of its kind has seen."""

    first = None

    def estimate(self, architecture, context):
        FirstSeen.first = FirstSeen.first or architecture
        return Estimate({"accuracy": float(architecture == FirstSeen.first), "latency_ms": 3.0})


class Hashing(Brightness):
    def estimate(self, architecture, context):
        return Estimate({"accuracy": hash(str(architecture)) % 9973 / 9973, "latency_ms": 3.0})


class InBatches(Brightness):
    def estimate_many(self, architectures, context):
        return [Estimate({"accuracy": 1 / len(architectures), "latency_ms": 3.0}) for _ in architectures]


class TooFew(Brightness):
    def estimate_many(self, architectures, context):
        return [self.estimate(architecture, context) for architecture in architectures[1:]]


class Plain(Brightness):
    def estimate(self, architecture, context):
        return {"accuracy": 0.5, "latency_ms": 3.0}


class Unsendable(Brightness):
    def __init__(self):
        self.score = lambda architecture: 0.5


class ByProcess(Brightness):
    accuracy = 0.5

    def __reduce__(self):
        return _otherwise, ()

    def estimate(self, architecture, context):
        return Estimate({"accuracy": self.accuracy, "latency_ms": 3.0})


def _otherwise():
    other = ByProcess()
    other.accuracy = 0.6
    return other


def doing(deed):
    """An estimator that does something to what it is given."""

    class Doing(Brightness):
        def estimate(self, architecture, context):
            deed(self, architecture, context)
            return Estimate({"accuracy": 0.5, "latency_ms": 3.0})

    return Doing


def change_options(estimator, architecture, context):
    estimator.options = {**estimator.options, "seen": 1}


def paint(estimator, architecture, context):
    context.data.train.images.zero_()


def relabel(estimator, architecture, context):
    context.data.train.labels.zero_()


def rewrite(estimator, architecture, context):
    object.__setattr__(architecture, "genes", (("steps", (2, 2, 2)),))


def narrow(estimator, architecture, context):
    context.space.cardinalities = (2, 2, 2)


def seed_torch(estimator, architecture, context):
    torch.manual_seed(0)


def seed_numpy(estimator, architecture, context):
    np.random.seed(0)


def seed_python(estimator, architecture, context):
    random.seed(0)


def no_gradients(estimator, architecture, context):
    torch.autograd.set_grad_enabled(False)


@pytest.fixture
def torch_as_it_was():
    yield
    torch.autograd.set_grad_enabled(True)


ESTIMATORS = [
    (NoObjectives, "objectives_say_what_is_better", "`objectives` must list every metric with its direction"),
    (Downwards, "objectives_say_what_is_better", "'accuracy' is better when larger: use direction 'max'"),
    (Twice, "objectives_say_what_is_better", "each metric needs a name of its own: accuracy, accuracy"),
    (
        TooMany,
        "metrics_are_those_of_the_objectives",
        "and its objectives differ in latency_ms",
    ),
    (giving("loss", float("nan")), "metrics_are_those_of_the_objectives", "loss is not a finite number"),
    (giving("top1_accuracy", 71.5), "units_are_those_that_the_names_say", "fractions from 0 to 1, not percent"),
    (giving("latency", 3.0), "units_are_those_that_the_names_say", "'latency' needs its unit in its name: latency_ms"),
    (giving("latency_ms", -3.0), "units_are_those_that_the_names_say", "'latency_ms' is -3: it cannot be negative"),
    (giving("params_m", 2_345_678), "units_are_those_that_the_names_say", "it is in millions"),
    (Clock, "equal_arguments_give_equal_metrics", "two estimates of one architecture differ: accuracy="),
    (OwnGenerator, "equal_arguments_give_equal_metrics", "draw from torch's global generator"),
    (Remembering, "nothing_is_kept_between_estimates", "an estimator must keep nothing between estimates"),
    (FirstSeen, "nothing_is_kept_between_estimates", "not on state of its class or module"),
    (
        Hashing,
        "nothing_is_kept_between_estimates",
        "sort what must have an order, since sets, and hash() of text, differ",
    ),
    (
        TooFew,
        "nothing_is_kept_between_estimates",
        "estimate_many() returned 2 answers for 3 architectures: it must",
    ),
    (Plain, "metrics_are_those_of_the_objectives", "estimate() must return Estimate({...}), not a dict"),
    (giving("loss", None), "metrics_are_those_of_the_objectives", "metric 'loss' must be a number, not None"),
    (InBatches, "nothing_is_kept_between_estimates", "estimate_many() must return the same as estimate()"),
    (Unsendable, "nothing_is_kept_between_estimates", "estimator 'brightness' cannot be pickled, so no worker process"),
    (
        ByProcess,
        "nothing_is_kept_between_estimates",
        "a copy in another process, which gets the candidates in reverse, returns different estimates",
    ),
    (doing(seed_torch), "global_generators_are_not_seeded", "seeds the global generator of torch itself"),
    (doing(seed_numpy), "global_generators_are_not_seeded", "seeds the global generator of NumPy itself"),
    (doing(seed_python), "global_generators_are_not_seeded", "the global generator of Python's random itself"),
    (doing(rewrite), "arguments_are_left_alone", "estimate() changed the architecture"),
    (doing(paint), "arguments_are_left_alone", "estimate() changed the images of context.data"),
    (doing(relabel), "arguments_are_left_alone", "estimate() changed the labels of context.data"),
    (doing(narrow), "arguments_are_left_alone", "estimate() changed context.space"),
    (doing(change_options), "arguments_are_left_alone", "estimate() changed its own options"),
    (
        doing(no_gradients),
        "arguments_are_left_alone",
        "global settings of torch and did not restore them: gradients True",
    ),
]


@pytest.mark.parametrize(("wrong", "test", "sentence"), ESTIMATORS)
def test_a_wrong_estimator_is_told_what_is_wrong(wrong, test, sentence, tmp_path, torch_as_it_was):
    torch.set_num_threads(1)
    context = Context(Steps(), tiny_data(), "cpu", 1, seed=0)
    offered = {"estimator": wrong(), "space": context.space, "context": context, "tmp_path": tmp_path}
    assert sentence in failure(EstimatorContract, test, lambda: offered)


# Data


def squares(count=60, classes=2, shade=127):
    """Noise, brighter by `shade` in the second class."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % classes
    pixels = torch.randint(0, 128, (count, 1, 8, 8), generator=generator) + labels.view(-1, 1, 1, 1) * shade
    return ImageSet.of(pixels.to(torch.uint8), labels)


class Squares(DataModule):
    """The base of the wrong ones below, and itself right."""

    name = "squares"
    class_names = ("dark", "bright")
    normalization = ((0.5,), (0.29,))

    def __init__(self):
        super().__init__(batch_size=16, workers=0)

    @cached_property
    def _parts(self):
        return hold_out(squares())

    @property
    def train(self):
        return self._parts[0]

    @property
    def test(self):
        return self._parts[1]


class TestSquares(DataContract):
    @pytest.fixture
    def data(self):
        return Squares()


class NoInit(Squares):
    def __init__(self):
        pass


class OddTests(Squares):
    test = ImageSet.of(torch.zeros(4, 1, 9, 9, dtype=torch.uint8), torch.tensor([0, 1, 0, 1]))


class ColourStatistics(Squares):
    normalization = ((0.5, 0.5, 0.5), (0.3, 0.3, 0.3))


class InBytes(Squares):
    normalization = ((127.0,), (74.0,))


class NotMeasured(Squares):
    normalization = ((0.5,), (0.1,))


class Floats(Squares):
    train = ImageSet(torch.rand(8, 1, 8, 8), torch.zeros(8, dtype=torch.long), torch.arange(8))


class Int32Labels(Squares):
    train = ImageSet(torch.zeros(8, 1, 8, 8, dtype=torch.uint8), torch.zeros(8, dtype=torch.int32), torch.arange(8))


class Unnamed(Squares):
    class_names = ("dark",)


class Absent(Squares):
    class_names = ("dark", "bright", "medium")


class LeaksAll(Squares):
    test = property(lambda self: self.train)


class CopiesItself(Squares):
    test = property(lambda self: self.train.subset(9, 0).alone())


class Shuffling(Squares):
    @cached_property
    def _parts(self):
        return squares().split(0.2, seed=random.SystemRandom().randrange(2**32))


class GlobalSplit(Squares):
    @cached_property
    def _parts(self):
        order = torch.randperm(60)
        return squares().subset(48, 0), squares().subset(48, int(order[0]))


class Threaded(Squares):
    @cached_property
    def _parts(self):
        torch.set_num_threads(torch.get_num_threads() + 1)
        return super()._parts


class Reader:
    """Images that are read when asked for, by something that cannot be sent to another process."""

    fingerprint = "reader"

    def __init__(self):
        self.images, self.open = squares(48).images, lambda path: path

    def __len__(self):
        return len(self.images)

    def __getitem__(self, positions):
        return self.images[positions]


class OpenFiles(Squares):
    train = ImageSet.of(Reader(), torch.arange(48) % 2)


class Dangling(Squares):
    next_data = ("cubes", "search on cubes")


@pytest.mark.parametrize(
    ("wrong", "test", "sentence"),
    [
        (NoInit, "it_says_what_its_images_are", "call super().__init__(batch_size=..., workers=...)"),
        (OddTests, "it_says_what_its_images_are", "test images have shape (1, 9, 9), training images (1, 8, 8)"),
        (ColourStatistics, "it_says_what_its_images_are", "has 3 means and 3 deviations; images have 1 channel(s)"),
        (InBytes, "the_normalization_fits_the_training_images", "but pixels in [0, 1] have mean [0."),
        (NotMeasured, "the_normalization_fits_the_training_images", "and deviation [0.2"),
        (Floats, "images_are_bytes_and_labels_are_classes", "`train` must be uint8 (N, C, H, W), not torch.float32"),
        (
            Int32Labels,
            "images_are_bytes_and_labels_are_classes",
            "labels of `train` must be int64 (N,), not torch.int32",
        ),
        (Unnamed, "images_are_bytes_and_labels_are_classes", "has labels [1], but there are 1 class names"),
        (Absent, "every_class_is_trained_on", "no training image of class medium"),
        (LeaksAll, "no_test_image_is_trained_on", "48 of 48 test images are training images"),
        (
            CopiesItself,
            "no_test_image_is_trained_on",
            "9 of 9 test images equal a training image in every pixel",
        ),
        (Shuffling, "asked_twice_it_gives_the_same", "split and shuffle with a fixed seed"),
        (GlobalSplit, "asked_twice_it_gives_the_same", "`test` changed the global random state of torch"),
        (
            Threaded,
            "asked_twice_it_gives_the_same",
            "`test` changed global settings of torch and did not restore them: thr",
        ),
        (Dangling, "the_data_to_search_next_is_installed", "`next_data` names 'cubes', which is none of the data here"),
        (OpenFiles, "a_copy_in_another_process_is_the_same", "the images of data 'squares' cannot be pickled"),
    ],
)
def test_a_wrong_data_module_is_told_what_is_wrong(wrong, test, sentence):
    with torch_threads(1):
        assert sentence in failure(DataContract, test, lambda: {"data": wrong(), "part": "train"})


def test_a_data_module_reads_and_measures_with_one_thread():
    class Measuring(Squares):
        normalization = property(lambda self: ((torch.get_num_threads() / 2,), (0.29,)))

        @property
        def train(self):
            return squares(10 * torch.get_num_threads())

    with torch_threads(2):
        seen, again = Measuring().for_search(0), Measuring().preprocessing
        assert torch.get_num_threads() == 2
    assert len(seen.train) == 10
    assert seen.preprocessing.mean == again.mean == (0.5,)


# Strategies


class Walk(AskTellStrategy):
    """The base of the wrong ones below, and itself right."""

    def ask(self):
        return [self.space.sample(self.rng)]

    def tell(self, evaluations):
        pass


class OwnWalk(Walk):
    own = np.random.default_rng()

    def ask(self):
        return [self.space.sample(self.own)]


class HashingWalk(Walk):
    def ask(self):
        return [self.space.decode([hash(f"{place} of {self.rng.random()}") % 3 for place in range(3)])]


class GlobalWalk(Walk):
    def ask(self):
        return [self.space.decode(np.random.randint(0, self.space.cardinalities))]


class ReseedingWalk(Walk):
    def begin(self):
        torch.manual_seed(0)


class StubbornWalk(Walk):
    """Counts on over a resume."""

    steps = 0

    def ask(self):
        StubbornWalk.steps += 1
        return [self.space.sample(np.random.default_rng(StubbornWalk.steps))]


class ImprovingWalk(Walk):
    def tell(self, evaluations):
        evaluations[0].metrics["latency_ms"] = 1.0


class ThreadedWalk(Walk):
    def tell(self, evaluations):
        torch.set_num_threads(torch.get_num_threads() + 1)


class NarrowingWalk(Walk):
    def begin(self):
        self.space.cardinalities = (2, 2, 2)


class MoodyMeasure(Brightness):
    """The same twice in one process."""

    name = "moody_measure"

    def estimate(self, architecture, context):
        return Estimate({"accuracy": hash("measure") % 9973 / 9973, "latency_ms": 3.0})


class MoodySquares(Squares):
    """Centred otherwise in each process."""

    name = "moody_squares"
    normalization = property(lambda self: ((hash("squares") % 9973 / 9973,), (0.29,)))


class CoolingWalk(Walk):
    """Steps become shorter as the budget is used up; itself right."""

    def begin(self):
        self.budget, self.last = self.evaluations_left, [0, 0, 0]

    def ask(self):
        share = self.evaluations_left / self.budget
        self.last = [int(self.rng.integers(3)) if self.rng.random() < share else place for place in self.last]
        return [self.space.decode(self.last)]


class SilentWalk(Walk):
    def search(self, run):
        super().search(run)


class LonelyWalk(Walk):
    baseline = "lonely"


class UnsendableWalk(Walk):
    def __init__(self):
        self.choose = lambda some: some[0]


WALKS = {
    "own": OwnWalk,
    "hashing": HashingWalk,
    "global": GlobalWalk,
    "reseeding": ReseedingWalk,
    "stubborn": StubbornWalk,
    "improving": ImprovingWalk,
    "threaded": ThreadedWalk,
    "narrowing": NarrowingWalk,
    "silent": SilentWalk,
    "lonely": LonelyWalk,
    "unsendable": UnsendableWalk,
    "cooling": CoolingWalk,
    "walk": Walk,
}


@pytest.fixture
def walks(guest):
    """All of them, the space and the estimator, installed under their names."""
    here = __name__
    points = {
        "nasforge.strategy": [f"{name} = {here}:{walk.__name__}" for name, walk in WALKS.items()],
        "nasforge.space": [f"steps = {here}:Steps"],
        "nasforge.estimator": [f"brightness = {here}:Brightness", f"moody_measure = {here}:MoodyMeasure"],
        "nasforge.data": [f"moody_squares = {here}:MoodySquares"],
        "nasforge.conf": ["walks = walks_conf"],
    }
    estimator = "# @package estimator.brightness\nname: brightness\n"
    files = {f"walks_conf/strategy/{name}.yaml": f"name: {name}\n" for name in WALKS}
    files |= {"walks_conf/space/steps.yaml": "name: steps\n", "walks_conf/estimator/brightness.yaml": estimator}
    files |= {"walks_conf/data/moody_squares.yaml": "name: moody_squares\n"}
    files |= {"walks_conf/estimator/moody_measure.yaml": estimator.replace("brightness", "moody_measure")}
    yield guest("nasforge-walks", points, {**files, "walks_conf/__init__.py": ""})
    for walk in WALKS.values():
        walk.name = None
        del walk.name


def words(name, *more):
    return [f"strategy={name}", "space=steps", "estimator=brightness", "budget.evaluations=4", *more]


@pytest.mark.parametrize(
    ("wrong", "test", "sentence"),
    [
        (
            "own",
            "same_seed_same_result",
            "with one seed, in two processes, requested different work, only the first requested ",
        ),
        ("hashing", "same_seed_same_result", "sort what must have an order, since sets, and hash() of text, differ"),
        (
            "stubborn",
            "resumed_with_more_budget_it_ends_as_if_it_had_had_it",
            "begin() must reset everything that depends on `evaluations_left` or on earlier steps",
        ),
        ("stubborn", "a_finished_search_replays_from_its_journal", "a resumed search returned another result"),
        (
            "global",
            WATCHED := "what_it_found_is_of_the_space_and_nothing_else_has_changed",
            "global random state of NumPy",
        ),
        ("reseeding", WATCHED, "search() changed the global random state of torch"),
        ("improving", WATCHED, "search() changed the metrics of "),
        ("threaded", WATCHED, "search() changed global settings of torch and did not restore them: threads 1 -> 2"),
        ("narrowing", WATCHED, "search() changed the space; it must not"),
        ("silent", WATCHED, "search() must return run.result(...), not NoneType"),
        (
            "lonely",
            "its_baseline_is_another_strategy",
            "`baseline` is 'lonely'; it must be None or the name of another",
        ),
        ("unsendable", "a_copy_can_go_to_another_process", "strategy 'unsendable' cannot be pickled"),
    ],
)
def test_a_wrong_strategy_is_told_what_is_wrong(walks, wrong, test, sentence, tmp_path):
    search = searches(words(wrong), tmp_path)

    def offered():
        finished = watched_search(words(wrong), tmp_path) if test == WATCHED else search("finished")
        return {"overrides": words(wrong), "finished": finished, "tmp_path": tmp_path, "search": search}

    assert sentence in failure(StrategyContract, test, offered)


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("data=moody_squares", "in two processes, read different data (mean: ["),
        ("estimator=moody_measure", "in two processes, got different answers from "),
    ],
)
def test_a_strategy_is_not_blamed_for_what_it_is_given(walks, word, sentence, tmp_path):
    walk = words("walk", word)
    finished = searches(walk, tmp_path)("finished")
    offered = {"overrides": walk, "finished": finished, "tmp_path": tmp_path}
    said = failure(StrategyContract, "same_seed_same_result", lambda: offered)
    assert sentence in said
    assert "run.rng" not in said


@pytest.mark.parametrize(("name", "outside"), [("walk", 1), ("cooling", 2)])
def test_a_right_strategy_passes(walks, name, outside, tmp_path):
    """However many threads pytest has: a search sets its own, and leaves them as they were."""
    with torch_threads(outside):
        suite, finished = StrategyContract(), watched_search(words(name), tmp_path)
        assert torch.get_num_threads() == outside
    suite.test_same_seed_same_result(finished, words(name), tmp_path)
    suite.test_a_finished_search_replays_from_its_journal(finished)
    suite.test_what_it_found_is_of_the_space_and_nothing_else_has_changed(finished, words(name))
    suite.test_a_copy_can_go_to_another_process(words(name))
    suite.test_resumed_with_more_budget_it_ends_as_if_it_had_had_it(words(name), searches(words(name), tmp_path))


# Packages


@pytest.mark.parametrize(
    ("package", "yaml", "test", "sentence"),
    [
        ("nobody", "name: few\n", "it_has_plug_ins", "package 'nobody' is not installed, or has no plug-ins"),
        ("nasforge-few", "name: many\n", "each_can_be_used", 'has name: "many"; it must have name: few'),
        ("nasforge-few", "name: few\n", "each_has_a_line_that_says_what_it_is", "no text for strategy 'few'"),
        ("nasforge-few", "name: few\nof: 4\n", "defaults_are_the_same_on_the_command_line_and_in_python", "of: 4"),
    ],
)
def test_a_wrong_package_is_told_what_is_wrong(guest, package, yaml, test, sentence):
    code = "from nasforge import Strategy\nclass Few(Strategy):\n    def __init__(self, *, of: int = 3): ...\n"
    points = {"nasforge.strategy": ["few = few:Few"], "nasforge.conf": ["few = few_conf"]}
    files = {"few.py": code + "    def search(self, run): ...\n"}
    guest("nasforge-few", points, {**files, "few_conf/__init__.py": "", "few_conf/strategy/few.yaml": yaml})
    suite = type("Suite", (PackageContract,), {"package": package})
    assert sentence in failure(suite, test, dict)


@pytest.mark.parametrize("package", ["nasforge-few", "nasforge_few", "NASforge.Few"])
def test_a_package_is_known_however_its_name_is_written(guest, package):
    guest("nasforge-few", {"nasforge.strategy": ["few = few:Few"]})
    type("Suite", (PackageContract,), {"package": package})().test_it_has_plug_ins()
