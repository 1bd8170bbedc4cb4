"""Every table, figure and algorithm of the papers is in docs/papers.yaml, and every command there is one.

Commands of an experiment and nothing else are left to tests/test_experiments.py, which composes all experiments.
"""

import os
import re
import runpy
import shlex
from functools import cache
from pathlib import Path

import pytest
import yaml
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

from nasforge.command.own_options import chosen_names
from nasforge.config.configuration import compose, recomposed
from nasforge.experiment.parts import Parts
from nasforge.journal.named import KINDS

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("NASFORGE_SHARED") or ROOT.parent / "shared")
LIST = runpy.run_path(str(ROOT / "docs/papers.py"))
PAPERS = LIST["papers"]()
ITEMS = [item for paper in PAPERS for item in paper.items]
TITLES = [paper.title for paper in PAPERS]
ROMAN = ["I", "II", "III", "IV", "V"]


def number(text):
    return ROMAN.index(text) + 1 if text in ROMAN else int(text)


def mappings(node):
    """All mappings below a node of YAML."""
    if isinstance(node, yaml.MappingNode):
        yield node
    for child in node.value if isinstance(node, yaml.CollectionNode) else ():
        for part in child if isinstance(child, tuple) else (child,):
            yield from mappings(part)


def test_no_key_is_written_twice():
    """YAML would take the last one."""
    for mapping in mappings(yaml.compose((ROOT / "docs/papers.yaml").read_text())):
        keys = [key.value for key, _ in mapping.value]
        assert sorted(set(keys)) == sorted(keys), mapping.start_mark


@pytest.mark.parametrize("paper", PAPERS, ids=TITLES)
def test_figures_algorithms_and_tables_are_numbered_without_a_gap(paper):
    names = [item.name.split()[:2] for item in paper.items]
    for kind in ("Figure", "Algorithm", "Table"):
        numbers = [number(text) for first, text in names if first == kind]
        assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize(
    ("paper", "text"),
    zip(PAPERS, ("eg-nas", "eg-nas-reproduction-zh", "me-darts", "ts-enas", "ntk-ga-darts"), strict=True),
    ids=TITLES,
)
def test_nothing_that_a_paper_numbers_is_left_out(paper, text):
    file = SHARED / "seeds" / f"{text}.txt"
    if not file.is_file():
        pytest.skip(f"PAPER NOT CHECKED: there is no {file}; NASFORGE_SHARED names another folder")
    captions = file.read_text()
    names = {item.name for item in paper.items}
    kinds = {"Figure": r"Fig(?:ure|\.)\s?|图\s?", "Algorithm": r"Algorithm ", "Table": r"T(?:able|ABLE) |表 "}
    for kind, pattern in kinds.items():
        numerals = re.findall(rf"^[#*\s]*(?:{pattern})(\d|[IV]+)\b[.:\s]", captions, re.MULTILINE)
        assert names >= {f"{kind} {numeral}" for numeral in numerals}


@pytest.mark.parametrize("paper", PAPERS, ids=TITLES)
def test_the_details_of_a_paper_are_where_its_link_leads(paper):
    page, _, anchor = paper.details.partition("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs" / page).read_text(), re.MULTILINE)
    assert anchor in ("", *(re.sub(r"\W+", "-", heading.lower()) for heading in headings))


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.name)
def test_an_item_is_rerun_or_says_why_not(item):
    assert bool(item.run) != bool(item.not_run)
    assert bool(item.run) == bool(item.differs)
    for sentence in (item.not_run, item.differs):
        assert sentence is None or sentence.endswith(".")
    if item.small and item.small.results:
        assert (ROOT / "benchmarks/results" / item.small.results).is_file()


@cache
def composed(words):
    return compose(words).config


@cache
def composed_onto(words, search):
    return recomposed(composed(search), words)


def jobs(words):
    """The first and the last job of a sweep."""
    batches = BasicSweeper.split_arguments(OverridesParser.create().parse_overrides(list(words)), None)
    all_jobs = [tuple(job) for batch in batches for job in batch]
    return dict.fromkeys([all_jobs[0], all_jobs[-1]])


def is_written(folder, before):
    """Whether a command before writes the folder that `compare` reads."""
    experiments = re.findall(r"\+experiment=(\w+)", " ".join(before))
    files = [(ROOT / f"conf/experiment/{name}.yaml").read_text() for name in experiments]
    return any(re.search(rf"{re.escape(folder)}(/\w+)?\b", text) for text in [*before, *files])


def check_benchmark(path, options):
    source = (ROOT / path).read_text()
    for option in options:
        if option.startswith("--"):
            assert re.search(rf'"{option}"|\b{option.removeprefix("--")}=', source), option


@pytest.mark.parametrize("item", [item for item in ITEMS if item.run], ids=lambda item: item.name)
def test_every_command_composes(item):
    search = None
    commands = [*item.run, *(item.small.run if item.small else ())]
    for position, command in enumerate(commands):
        program, *words = shlex.split(command)
        if program == "python":
            check_benchmark(*words[:1], words[1:])
            continue
        assert program == "nasforge"
        if words[0] == "compare":
            assert words[1] == "RUN" or is_written(words[1], commands[:position])
            continue
        _, others = chosen_names(words, KINDS)  # which architecture to retrain is no part of the configuration
        overrides = tuple(word for word in others if "=" in word and not word.startswith("hydra."))
        if overrides and overrides[0].startswith("+experiment="):
            assert (ROOT / f"conf/experiment/{overrides[0].partition('=')[2]}.yaml").is_file()
        if words == list(overrides) and len(words) == 1:
            search = overrides
            continue
        if words[0] == "retrain" and "=" not in words[1]:
            parts = Parts(composed_onto(overrides, search))
        else:
            for job in jobs(overrides):
                parts = Parts(composed(job))
                if words[0] != "retrain":
                    search = job
                    assert parts.strategy
                    assert parts.estimators
        assert parts.config["architecture"] in (None, *parts.space.presets)


def test_the_page_is_what_the_list_says():
    remedy = "`python docs/papers.py > docs/papers.md` writes it again"
    assert (ROOT / "docs/papers.md").read_text() == LIST["page"]() + "\n", remedy
