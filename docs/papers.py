"""Print docs/papers.md: what reruns each table, figure and algorithm of the papers, from docs/papers.yaml.

python docs/papers.py > docs/papers.md
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SOURCE = Path(__file__).with_suffix(".yaml")
TEXT = """\
# Every table and figure

What reruns each table, figure and algorithm of the papers, and what differs; [strategies in detail](strategies.md) has
every difference of the methods. `python docs/papers.py` prints this page from [papers.yaml](papers.yaml), and a test
composes every command. Most of these commands need a GPU. RUN is the folder of the search before it. ImageNet is read
from the folder `imagenet` in `NASFORGE_DATA` or `./data`, or from `data.root=`. Some results of small forms were made
with fewer seeds, generations or epochs than the command shown; each file of results begins with its own command."""
BEGIN = "<!-- not run: most of these commands need a GPU; a test composes them -->\n```sh"


@dataclass(frozen=True, kw_only=True)
class Small:
    """What runs in a small size on two cores, and the file of its results in benchmarks/results, if it has one."""

    run: Sequence[str]
    results: str | None = None


@dataclass(frozen=True, kw_only=True)
class Item:
    """A table, a figure or an algorithm: the commands that rerun it and what differs, or why none does."""

    name: str
    shows: str
    run: Sequence[str] = ()
    differs: str | None = None
    not_run: str | None = None
    small: Small | None = None


@dataclass(frozen=True, kw_only=True)
class Paper:
    """A paper and its items; `details` is where documentation lists the differences of its method."""

    title: str
    by: str
    details: str
    items: Sequence[Item]


def papers() -> list[Paper]:
    """The papers of the list; a misspelled or missing key is a `TypeError`."""
    papers = yaml.safe_load(SOURCE.read_text())
    return [Paper(**{**paper, "items": [_item(item) for item in paper["items"]]}) for paper in papers]


def _item(keys: Mapping[str, Any]) -> Item:
    small = keys.get("small")
    return Item(**{**keys, "small": Small(**small) if small else None})


def paragraphs(item: Item) -> Iterator[str]:
    """An item in Markdown."""
    yield f"### {item.name}: {item.shows}"
    if item.not_run:
        yield item.not_run
    if item.run:
        yield "\n".join([BEGIN, *item.run, "```"])
    if item.differs:
        yield item.differs
    if item.small:
        results = f" ([results](../benchmarks/results/{item.small.results}))" if item.small.results else ""
        yield f"In a small size, on two cores{results}: {', '.join(f'`{command}`' for command in item.small.run)}."


def page() -> str:
    """The whole page."""
    parts = [TEXT]
    for paper in papers():
        parts += [f"## {paper.title}", f"{paper.by}. [How its method differs here]({paper.details})."]
        parts += [paragraph for item in paper.items for paragraph in paragraphs(item)]
    return "\n\n".join(parts)


if __name__ == "__main__":
    print(page())
