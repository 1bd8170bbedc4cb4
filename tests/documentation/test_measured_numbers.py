"""Numbers in the documentation that come from a benchmark are those of its committed results file."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RESULT = re.compile(r"\]\((?:\.\./)?(benchmarks/results/\w+\.md)\)")
NUMBER = re.compile(r"(?<![\w.,^×-])-?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?(?: ± \d+\.\d+)?(?![\w^.-]*\w)")
SEEDS = {"two": "2", "three": "3", "four": "4", "five": "5", "ten": "10"}


def statements(page):
    """What a link on a page speaks for: a cell with the head of its column, an item of a list, or a paragraph."""
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for block in re.split(r"\n\s*\n|\n(?=- )", text):
        if not block.startswith("|"):
            yield block
            continue
        head, _, *rows = [re.split(r" *(?<!\\)\| *", line.strip().strip("|")) for line in block.splitlines()]
        for row in rows:
            yield from (f"{title} {cell}" for title, cell in zip(head, row, strict=True))


def numbers(statement):
    """The numbers of a statement, without those in code and in addresses."""
    plain = re.sub(r"`[^`]*`|\]\([^)]*\)", " ", statement)
    return [*NUMBER.findall(plain), *(SEEDS[word] for word in re.findall(r"(\w+) seeds", plain) if word in SEEDS)]


MEASURED = {"numbers", "reproduced", "retraining"}
"""Pages whose every mean ± deviation comes from a benchmark."""
CITED = [(page, statement) for page in PAGES for statement in statements(page) if RESULT.search(statement)]


@pytest.mark.parametrize(("page", "statement"), CITED, ids=[f"{page.stem}: {text[:40]}" for page, text in CITED])
def test_numbers_are_those_of_the_results(page, statement):
    results = "".join((ROOT / path).read_text() for path in RESULT.findall(statement))
    known = NUMBER.findall(results)
    known += [part for number in known for part in number.split(" ± ")]
    assert [number for number in numbers(statement) if number not in known] == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem in MEASURED], ids=lambda page: page.stem)
def test_every_mean_has_a_link_to_its_results(page):
    means = [number for statement in statements(page) for number in numbers(statement) if "±" in number]
    cited = [number for source, statement in CITED if source == page for number in numbers(statement) if "±" in number]
    assert means
    assert means == cited
