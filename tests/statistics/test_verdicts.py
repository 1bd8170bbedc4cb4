"""Intervals hold what scipy and the literature say; sentences claim no more than the numbers show."""

import math

import pytest
from scipy import stats

from nasforge.result import Control, TrainingVerdict
from nasforge.statistics.intervals import Interval, Sample, detectable, mean_difference, needed, share_below, share_of
from nasforge.statistics.verdicts import conclusion, control_verdict, training_verdict


@pytest.mark.parametrize(("one", "other"), [((0.97, 0.96, 0.98), (0.95, 0.91)), ((3.0, 1.0), (2.0, 5.0, 9.0, 4.0))])
def test_the_difference_of_two_means_has_welchs_interval(one, other):
    expected = stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    found = mean_difference(Sample.of(one), Sample.of(other))
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_a_single_value_has_no_interval():
    assert mean_difference(Sample.of([0.9]), Sample.of([0.8, 0.7])) is None
    assert mean_difference(Sample.of([0.9, 0.9]), Sample.of([0.9])) is None


def test_equal_accuracies_still_have_the_error_of_the_test_set():
    equal = Sample.of([0.97, 0.97], images=360)
    assert equal.deviation == pytest.approx(math.sqrt(0.97 * 0.03 / 360), rel=0.1)
    assert Sample.of([1.0, 1.0], images=360).deviation > 0
    far_apart = [0.5, 0.9]
    assert Sample.of(far_apart, images=360).deviation == Sample.of(far_apart).deviation  # the larger one counts
    assert mean_difference(Sample.of([0.5, 0.5]), Sample.of([0.5, 0.5])) == Interval(0, 0)


@pytest.mark.parametrize("right", [0, 3, 350, 360])
def test_an_accuracy_has_wilsons_interval(right):
    expected = stats.binomtest(right, 360).proportion_ci(0.95, "wilson")
    found = share_of(right / 360, 360)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize("below", [0, 7, 18, 20])
def test_a_percentile_has_the_exact_binomial_interval(below):
    expected = stats.binomtest(below, 20).proportion_ci(0.95, "exact")
    found = share_below(below, 0, 20)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_ties_widen_a_percentiles_interval_to_both_sides():
    assert share_below(0, 20, 20) == Interval(0.0, 1.0)
    assert share_below(5, 4, 20).low == share_below(5, 0, 20).low
    assert share_below(5, 4, 20).high == share_below(9, 0, 20).high


def test_how_many_trainings_would_tell_is_the_least_number_that_does():
    one, other = Sample(3, 0.97, 0.01), Sample(3, 0.96, 0.01)
    count = needed(one, other)
    assert detectable(count, one, other) < 0.01 <= detectable(count - 1, one, other)
    assert count == 9  # tables of the two-sided t test: 2 (s / d)^2 t^2 with 16 degrees of freedom is 8.99
    assert needed(one, one) is None


@pytest.mark.parametrize(
    ("found", "others", "percentile", "interval", "words"),
    [
        (0.9, [0.1] * 20, 100.0, (83, 100), "Better than random"),
        (0.5, [0.1] * 10 + [0.9] * 10, 50.0, (27, 73), "NOT clearly better than random"),
        (0.5, [0.5] * 20, 50.0, (0, 100), "NOT clearly better than random"),
        (0.1, [0.5] * 20, 0.0, (0, 17), "NOT clearly better than random"),
        (0.9, [0.1] * 9, 100.0, (66, 100), "Better than random"),
        (0.9, [0.1] * 8, 100.0, (63, 100), "Fewer than 9 random architectures cannot tell"),
        (0.39, [0.36], 100.0, (3, 100), "Fewer than 9 random architectures cannot tell"),
    ],
)
def test_the_control_says_plainly_where_the_found_one_stands(found, others, percentile, interval, words):
    said = control_verdict(found, others)
    assert said.percentile == percentile
    assert [round(end) for end in said.interval] == list(interval)
    assert f"percentile {percentile:.0f} (95 % interval {interval[0]} to {interval[1]})." in said.sentence
    assert said.sentence.startswith(words)
    assert said.better_than_random == (words == "Better than random")
    undecided = words.startswith("Fewer")
    assert conclusion(said, None) == (said.sentence, None if undecided else said.better_than_random)


@pytest.mark.parametrize(
    ("found", "better", "words"),
    [
        ([0.98, 0.975, 0.985], None, "does not stand out from"),
        ([0.999, 0.999, 0.998], True, "is better than"),
        ([0.90, 0.91, 0.90], False, "is WORSE than"),
    ],
)
def test_retraining_says_plainly_how_the_found_one_compares(found, better, words):
    said = training_verdict(found, [0.978, 0.982, 0.974], images=10_000)
    assert words in said.sentence
    assert said.better is better
    assert (said.interval[0] < 0 < said.interval[1]) == (better is None)


def test_one_image_is_no_difference():
    for found, random in (([0.9722] * 2, [0.9694] * 2), ([0.9722] * 3, [0.9694] * 3)):
        said = training_verdict(found, random, images=360)
        assert said.better is None
        assert "does not stand out" in said.sentence


def test_one_network_of_each_cannot_tell_and_the_sentence_says_how_many_would():
    said = training_verdict([344 / 360], [345 / 360], images=360)
    assert said.better is said.interval is None
    assert "1 network of it and 1 random one are too few to tell which is better" in said.sentence
    assert "1 of 360 test images apart" in said.sentence
    assert "takes at least" in said.sentence
    assert "retrain.seeds=3 retrain.random=3" in said.sentence
    assert "WORSE" not in said.sentence
    far = training_verdict([0.1], [0.3], images=360)
    assert "Detecting a difference of this size takes at least 2 of each" in far.sentence
    equal = training_verdict([0.5], [0.5], images=360)
    assert "takes more than 1,000 of each" in equal.sentence


def test_without_random_ones_nothing_is_said():
    assert training_verdict([0.9, 0.8], [], images=10) == TrainingVerdict(
        better=None, difference=None, interval=None, sentence=""
    )
    assert conclusion(None, None) == ("", None)


@pytest.mark.parametrize(
    ("beaten", "trained", "better", "link"),
    [
        (20, [0.5, 0.5, 0.5], None, ", but trained from scratch it does not stand out"),
        (20, [0.9, 0.9, 0.9], True, ", and trained from scratch it is better"),
        (20, [0.1, 0.1, 0.1], False, ", but trained from scratch it is WORSE"),
        (3, [0.9, 0.9, 0.9], True, ", but trained from scratch it is better"),
        (3, [0.5, 0.5, 0.5], None, ", and trained from scratch it does not stand out"),
        (20, [0.5], None, ", but trained from scratch, 1 network of it"),
    ],
)
def test_the_two_verdicts_are_one_sentence_and_training_decides(beaten, trained, better, link):
    control = control_verdict(0.6, [0.5] * beaten + [0.7] * (20 - beaten))
    sentence, said = conclusion(control, training_verdict(trained, [0.5] * len(trained), images=1000))
    assert said is better
    assert link in sentence
    assert sentence.startswith(f"With the shared weights the found architecture stands at percentile {5 * beaten}")


def test_a_result_of_an_older_version_still_has_its_sentence():
    control = Control(found=0.6, random=[0.5] * 20, percentile=100.0, better_than_random=True, sentence="Good.")
    assert conclusion(control, None) == ("Good.", True)
    sentence, better = conclusion(control, TrainingVerdict(sentence="Trained from scratch it is better."))
    assert (sentence.count("percentile 100 among 20 random ones, but trained"), better) == (1, None)
