"""Whether the found architecture is better than random ones, and how certain that is."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from nasforge.result import Control, TrainingVerdict
from nasforge.statistics.intervals import MOST, Sample, detectable, mean_difference, needed, share_below
from nasforge.wording import counted

TOP = 90
"""The found architecture counts as better from this percentile among random ones; one in ten random ones reaches it."""
ENOUGH = 9
"""Among fewer random architectures, chance alone puts an architecture first more than one time in ten."""
FEW = 3
"""The suggested number of trainings of each, if a run made fewer than two."""


def control_verdict(found: float, others: Sequence[float]) -> Control:
    """Rank the accuracy `found` among the accuracies of random architectures.

    Ties count half in the percentile; its interval is that of `share_below`. Below the percentile `TOP`, the sentence
    says that the found one is not clearly better; with fewer than `ENOUGH` random ones, that they cannot tell.
    """
    below, ties = sum(found > other for other in others), sum(found == other for other in others)
    percentile = 100 * (below + 0.5 * ties) / len(others)
    within = share_below(below, ties, len(others))
    enough = len(others) >= ENOUGH
    better = enough and percentile >= TOP
    opening = "Better than random" if better else "NOT clearly better than random"
    if not enough:
        opening = f"Fewer than {ENOUGH} random architectures cannot tell whether it is better than random"
    mean, deviation = statistics.fmean(others), statistics.pstdev(others)
    sentence = (
        f"{opening}: with the shared weights the found architecture scores {found:.1%}, "
        f"{len(others)} random ones {mean:.1%} ± {deviation:.1%}; it stands at percentile {percentile:.0f} "
        f"(95 % interval {100 * within.low:.0f} to {100 * within.high:.0f})."
    )
    return Control(
        found=found,
        random=list(others),
        percentile=percentile,
        interval=(100 * within.low, 100 * within.high),
        better_than_random=better,
        sentence=sentence,
    )


def training_verdict(found: Sequence[float], random: Sequence[float], images: int) -> TrainingVerdict:
    """Compare an architecture with random ones after the same training from scratch.

    The interval is Welch's (`mean_difference`), with the binomial error of the test set if that is larger than the
    deviation over trainings. It holds for these test images: more seeds do not make up for few images.

    Args:
        found: test accuracies of the architecture's trainings, as fractions.
        random: test accuracies of random architectures, one training each.
        images: number of test images.
    """
    if not random:
        return TrainingVerdict()
    own, other = Sample.of(found, images), Sample.of(random, images)
    difference, interval = own.mean - other.mean, mean_difference(own, other)
    sign = interval.sign if interval else 0
    sentence = _too_few(own, other, images)
    if interval is not None:
        what = {1: "is better than", -1: "is WORSE than", 0: "does not stand out from"}[sign]
        sentence = (
            f"Trained from scratch it {what} random architectures: {own.mean:.2%} against {other.mean:.2%}, "
            f"{_points(difference)} (95 % interval {100 * interval.low:+.2f} to {100 * interval.high:+.2f})"
            f"{'' if sign else _how_many(own, other)}."
        )
    return TrainingVerdict(
        better={1: True, -1: False, 0: None}[sign],
        difference=difference,
        interval=(interval.low, interval.high) if interval else None,
        sentence=sentence,
    )


def conclusion(control: Control | None, retrained: TrainingVerdict | None) -> tuple[str, bool | None]:
    """A sentence on whether the found architecture is better than random ones, and the answer.

    Training from scratch decides, if there was any; the control only has the search's shared weights.

    Returns:
        (sentence, answer): the sentence is empty without random architectures; the answer is None if undecided.
    """
    trained = retrained or TrainingVerdict()
    if control is None:
        return trained.sentence, trained.better
    if not trained.sentence:
        return control.sentence, control.better_than_random if len(control.random) >= ENOUGH else None
    link = "and" if (trained.better is True) == control.better_than_random else "but"
    within = control.interval
    sure = f" (95 % interval {within[0]:.0f} to {within[1]:.0f})" if within else ""
    return (
        f"With the shared weights the found architecture stands at percentile {control.percentile:.0f} among "
        f"{len(control.random)} random ones{sure}, {link} {trained.sentence[:1].lower()}{trained.sentence[1:]}",
        trained.better,
    )


def _too_few(own: Sample, other: Sample, images: int) -> str:
    """The sentence for a single network of either kind, with the number that would decide."""
    missed = round(abs(own.mean - other.mean) * images)
    apart = f"{missed} of {images:,} test images apart" if own.n == other.n == 1 else _points(own.mean - other.mean)
    count = needed(own, other)
    least = f"at least {count:,}" if count else f"more than {MOST:,}"
    shown = f"{100 * detectable(FEW, own, other):.1f} points"
    return (
        f"Trained from scratch, {counted(own.n, 'network')} of it and {counted(other.n, 'random one')} are too few "
        f"to tell which is better: {own.mean:.2%} against {other.mean:.2%}, {apart}. Detecting a difference of this "
        f"size takes {least} of each; retrain.seeds={FEW} retrain.random={FEW} would detect one of {shown}."
    )


def _how_many(own: Sample, other: Sample) -> str:
    count = needed(own, other)
    return f"; about {count} trainings of each would detect a difference of this size" if count else ""


def _points(difference: float) -> str:
    return f"a difference of {100 * difference:+.2f} points"
