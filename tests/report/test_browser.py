"""The report in a real browser: it fits every width, is light or dark, complains of nothing, prints to two pages."""

import html
import re
import shutil
import subprocess

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
BACKGROUNDS = {"dark": "rgb(23, 27, 33)", "light": "rgb(255, 255, 254)"}
FRAME = """<!doctype html><meta name="color-scheme" content="light dark">
<iframe style="border: 0; width: {width}px; height: 900px" srcdoc="{page}"></iframe>
<script>onload = () => {{
  const inner = frames[0], root = inner.document.documentElement
  const background = inner.getComputedStyle(inner.document.body).backgroundColor
  const cut = [...inner.document.querySelectorAll(".scroll")].filter(table => table.scrollWidth > table.clientWidth)
  document.title = [inner.innerWidth, root.scrollWidth, background, cut.length].join("|")
}}</script>"""
"""A page with the report in a frame, because windows have a least width."""

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="NO REPORT WAS OPENED IN A BROWSER: install chromium to check widths, colors and prints"
)


def browser(tmp_path, *options):
    own = ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}")
    command = [CHROMIUM, *own, "--enable-logging=stderr", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


@pytest.fixture
def page(tmp_path, trained_run):
    return shutil.copy(trained_run / "report.html", tmp_path / "report.html")


@pytest.mark.parametrize("width", [400, 800, 1400])
@pytest.mark.parametrize(("scheme", "number"), [("dark", 0), ("light", 1)])
def test_it_fits_every_width_in_both_schemes(tmp_path, page, width, scheme, number):
    framed = tmp_path / "framed.html"
    framed.write_text(FRAME.format(width=width, page=html.escape(page.read_text())))
    options = ("--window-size=1500,1000", f"--blink-settings=preferredColorScheme={number}", "--dump-dom")
    opened = browser(tmp_path, *options, framed.as_uri())
    inner, needed, background, cut = re.search(r"<title>([^<]*)</title>", opened.stdout)[1].split("|")
    assert int(needed) <= int(inner) == width
    assert background == BACKGROUNDS[scheme]
    assert width < 1400 or cut == "0"  # a narrow window may cut a table, which then scrolls
    assert "CONSOLE" not in opened.stderr


def test_it_prints_to_two_pages(tmp_path, page):
    printed = tmp_path / "report.pdf"
    browser(tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={printed}", page.as_uri())
    assert len(re.findall(rb"/Type\s*/Page\b", printed.read_bytes())) == 2
