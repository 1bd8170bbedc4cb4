"""The decisions of a module: their names, and which of them have an effect under which others."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from nasforge.choices.blocks import Choice, Repeat
from nasforge.choices.elastic import FOLLOWING, sizes_of
from nasforge.choices.plan import Declared, Plan
from nasforge.errors import OptionError

Condition = tuple[str, frozenset[int]]
"""A decision's key, and the options (indices) under which something exists."""


@dataclass(frozen=True)
class Decision:
    """One decision of an architecture.

    Attributes:
        key: see `Declared`.
        name: what people call it: the path of its module, or the name that its author gave it.
        kind: `option`, `depth`, `width` or `kernel`.
        options: what it chooses from.
        conditions: it has an effect if all of them hold, from the outside in.
    """

    key: str
    name: str
    kind: str
    options: tuple[str | int, ...]
    conditions: tuple[Condition, ...] = ()

    def active(self, chosen: Mapping[str, int]) -> bool:
        """Whether it has an effect under the options (indices) by key."""
        return all(chosen[key] in options for key, options in self.conditions)


def decisions_of(module: nn.Module, plan: Plan) -> tuple[Decision, ...]:
    """Return the decisions of a module that was built with everything, in the order of their declaration, outer
    ones first.

    Raises:
        OptionError: a choice is used at two places or at none, or two decisions have one name.
    """
    places: dict[str, list[str]] = {key: [] for key in plan.declared}
    for path, part in module.named_modules(remove_duplicate=False):
        if isinstance(part, Choice | Repeat):
            places[part.key].append(path)
        elif path and type(part) in FOLLOWING:
            for attribute, size in sizes_of(part).items():
                for key in size.keys:
                    places[key].append(f"{path}.{attribute}")
    decisions = tuple(_decision(module, declared, places[key]) for key, declared in plan.declared.items())
    names = [decision.name for decision in decisions]
    for name in names:
        if names.count(name) > 1:
            raise OptionError(f"two decisions are named '{name}'; names must differ")
    return tuple(_outer_first(decisions))


def _outer_first(decisions: Sequence[Decision]) -> list[Decision]:
    """The decisions in their order, except that those on which a decision's effect depends come before it."""
    by_key, ordered = {decision.key: decision for decision in decisions}, dict[str, Decision]()
    for decision in decisions:
        for key in (*(key for key, _ in decision.conditions), decision.key):
            ordered.setdefault(key, by_key[key])
    return list(ordered.values())


def _decision(module: nn.Module, declared: Declared, places: Sequence[str]) -> Decision:
    what = f"{declared.kind} ({', '.join(map(str, declared.options))})"
    if not places:
        raise OptionError(f"the {what} is declared, but no layer of the module uses it")
    if declared.kind in ("option", "depth") and len(places) > 1:
        raise OptionError(
            f"'{clean(module, places[1])}' is the module '{clean(module, places[0])}' once more; declare a new choice "
            "for each place"
        )
    common = list(conditions(module, places[0]))
    for place in places[1:]:
        common = [condition for condition in common if condition in set(conditions(module, place))]
    return Decision(declared.key, _name(module, declared, places), declared.kind, declared.options, tuple(common))


def _name(module: nn.Module, declared: Declared, places: Sequence[str]) -> str:
    """The path of the first place; a name that the author gave stands inside the module that encloses all places."""
    if declared.name is None:
        return clean(module, places[0])
    parents = [place.split(".")[:-1] for place in places]
    common = [words[0] for words in zip(*parents, strict=False) if len(set(words)) == 1]
    while any(parent[: len(common)] != common for parent in parents):
        common.pop()
    within = clean(module, ".".join(common)) if common else ""
    return f"{within}.{declared.name}".lstrip(".")


def conditions(module: nn.Module, path: str) -> Iterator[Condition]:
    """Yield the conditions under which a network has the part at `path`, from the outside in."""
    for part, word, following in _steps(module, path):
        if isinstance(part, Choice) and word == "options":
            yield part.key, frozenset({list(part.options).index(following)})
        elif isinstance(part, Repeat) and word == "blocks":
            depths = range(part.least, len(part.blocks) + 1)
            needed = frozenset(index for index, depth in enumerate(depths) if depth > int(following))
            if len(needed) < len(depths):
                yield part.key, needed


def clean(module: nn.Module, path: str) -> str:
    """The path without the segments that a supernet adds, such as `stage.0.conv3.norm` for block 0's option conv3."""
    return ".".join(word for part, word, _ in _steps(module, path) if not _added(part, word))


def path_in_network(module: nn.Module, path: str) -> str:
    """The path in a network where everything on the way is chosen, such as `stage.0.norm`: an option has no name."""
    words, added = [], False
    for part, word, _ in _steps(module, path):
        if not added and not _added(part, word):
            words.append(word)
        added = isinstance(part, Choice) and _added(part, word)
    return ".".join(words)


def _added(part: nn.Module | None, word: str) -> bool:
    return (isinstance(part, Choice) and word == "options") or (isinstance(part, Repeat) and word == "blocks")


def _steps(module: nn.Module, path: str) -> Iterator[tuple[nn.Module | None, str, str]]:
    """Yield each segment of a path with the module that it belongs to and the segment that follows."""
    part: Any = module
    words = path.split(".")
    for word, following in zip(words, [*words[1:], ""], strict=True):
        yield part, word, following
        part = getattr(part, word, None)


def count(decisions: Sequence[Decision], under: tuple[Condition, ...] = ()) -> int:
    """Return how many different architectures there are: decisions without effect are not counted."""
    total = 1
    inner = {each.conditions[len(under)] for each in decisions if len(each.conditions) > len(under)
             and each.conditions[: len(under)] == under}  # fmt: skip
    for decision in decisions:
        if decision.conditions == under:
            total *= sum(
                math.prod(
                    count(decisions, (*under, condition))
                    for condition in inner
                    if condition[0] == decision.key and option in condition[1]
                )
                for option in range(len(decision.options))
            )
    return total
