"""A report for everyone: landmarks, headings in order, a text for each picture, tables with scope, enough contrast."""

import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from nasforge.charts.svg import PALETTE

VOID = {"meta", "img", "br", "link", "hr", "input"}
SURFACES = ("paper", "node", "pool-soft", "skip-soft")
KINDS = ("sep", "dil", "pool", "skip", "other", "none")


class Elements(HTMLParser):
    """All elements of a page as (tag, attributes), outside SVGs."""

    def __init__(self, text):
        super().__init__()
        self.all, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if "svg" not in self.open:
            self.all.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        if "svg" not in self.open:
            self.all.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"{tag} is not closed in order"

    def of(self, *tags):
        return [attributes for tag, attributes in self.all if tag in tags]


@pytest.fixture(scope="module")
def elements(trained_run):
    return Elements((trained_run / "report.html").read_text())


def test_it_has_landmarks_a_language_and_a_way_past_the_header(elements):
    assert elements.open == []
    assert elements.of("html") == [{"lang": "en"}]
    assert [tag for tag, _ in elements.all if tag in ("header", "main", "h1")] == ["header", "h1", "main"]
    skip = next(tag for tag in elements.all if tag[0] == "a")
    assert skip[1]["href"].removeprefix("#") == elements.of("main")[0]["id"]


def test_no_heading_skips_a_level(elements):
    levels = [int(tag[1]) for tag, _ in elements.all if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert len(levels) > 5
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))


def test_each_picture_has_a_text(elements):
    assert elements.of("svg")
    assert elements.of("img")
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in elements.of("svg"))
    assert all(image["alt"] for image in elements.of("img"))


def test_each_header_cell_says_what_it_heads(elements):
    assert {cell.get("scope") for cell in elements.of("th")} == {"row", "col"}


def test_the_keyboard_reaches_what_scrolls_and_what_shows_values(elements):
    scrollers = [attributes for attributes in elements.of("div") if attributes.get("class", "").startswith("scroll")]
    assert scrollers
    assert all(scroller["tabindex"] == "0" and scroller["aria-label"] for scroller in scrollers)
    marks = [attributes for attributes in elements.of("li") if "left:" in attributes.get("style", "")]
    assert marks
    assert all(mark["tabindex"] == "0" for mark in marks)


@pytest.mark.parametrize("scheme", [0, 1])
def test_texts_and_lines_stand_out_from_what_lies_behind_them(scheme):
    def contrast(one, other):
        dark, light = sorted(luminance(PALETTE[name][scheme]) for name in (one, other))
        return (light + 0.05) / (dark + 0.05)

    texts = [(text, surface) for text in ("ink", "muted") for surface in SURFACES]
    texts += [(color, "paper") for color in ("found", *KINDS)] + [("ink", f"{kind}-soft") for kind in KINDS]
    assert {pair: contrast(*pair) for pair in texts if contrast(*pair) < 4.5} == {}
    assert contrast("random", "paper") >= 3


def luminance(color):
    """The relative luminance of WCAG 2."""
    channels = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
