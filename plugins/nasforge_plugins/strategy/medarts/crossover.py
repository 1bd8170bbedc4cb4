"""How members come from each other: alphas are inherited, and crossed by cell type."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from nasforge_plugins.strategy.medarts.members import Member


def inherit(parent: Member, name: str) -> Member:
    """The same alphas in the next stage; the weights of the deeper supernet are new."""
    return Member(name, (parent.name,), parent.alphas, parent.trace)


def cross(a: Member, b: Member, name: str) -> Member:
    """(n1, r1), (n2, r2) -> (n1, r2): the first cell type of `a`, all others of `b`."""
    theirs = a.alphas or {}, b.alphas or {}  # who was selected has been trained
    from_a = {cell: place == 0 for place, cell in enumerate(theirs[0])}
    return Member(
        name,
        (a.name, b.name),
        {cell: theirs[0 if own else 1][cell] for cell, own in from_a.items()},
        {cell: (a if own else b).trace[cell] for cell, own in from_a.items()},
    )


def next_generation(selected: Sequence[Member], stage: str, children: int) -> list[Member]:
    """The selected ones and `children` crossings of theirs: of the best two first, each pair both ways."""
    pairs = [pair for a, b in itertools.combinations(selected, 2) for pair in ((a, b), (b, a))]
    names = (f"{stage}/{number}" for number in itertools.count())
    heirs = [inherit(parent, next(names)) for parent in selected]
    return heirs + [cross(a, b, next(names)) for a, b in pairs[:children]]


def lineages(member: Member, everyone: Sequence[Member]) -> dict[str, list[Member]]:
    """By cell type, through whom its alphas came: the member of the first stage, then on to `member` itself."""
    by_name = {one.name: one for one in everyone}
    found = {}
    for place, cell in enumerate(member.alphas or {}):
        line = [member]
        while parents := line[0].parents:
            line.insert(0, by_name[parents[0 if place == 0 else -1]])
        found[cell] = line
    return found
