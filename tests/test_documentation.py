"""What documentation shows as code runs, and keeps the contracts it is about.

The blocks of a page run in its order and in one folder, which begins empty: `sh` in bash, `python` in one namespace, or
into the file that its title names. A comment above a block, `<!-- WORD: ... -->`, changes this:

- `small`: the words are added to each command of the block, so that a search takes seconds;
- `composed`: each command's configuration is composed and its parts are built, without running it;
- `not run`: with the reason.
"""

import re
import runpy
import shlex
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from forked import shell_function
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

import nasforge
from nasforge.command.own_options import chosen_names
from nasforge.config.configuration import compose
from nasforge.journal.named import KINDS
from nasforge.registry.entry_points import build, registry
from nasforge.testing import SpaceContract
from nasforge.training.recipe import DEFAULTS

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[a-z ]+): (?P<words>[^\n]*) -->\n)?"
    r"^(?P<indent> *)```(?P<language>\w*)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<code>.*?)^ *```$",
    re.DOTALL | re.MULTILINE,
)
SHELL = """\
pip() {{ "{installer}" -m pip --python "{python}" "$@" --quiet --no-deps --no-build-isolation; }}
python() {{ "{python}" "$@"; }}
pytest() {{ "{python}" -m pytest "$@"; }}
"""


@dataclass(frozen=True)
class Block:
    """A block of code on a page, and how it is checked."""

    language: str
    title: str | None
    code: str
    mark: str
    words: str


def blocks(page):
    """The blocks of a page, in its order."""
    for match in BLOCK.finditer(page.read_text()):
        code = textwrap.dedent(match["code"])
        yield Block(match["language"], match["title"], code, match["mark"] or "run", match["words"] or "")


def commands(code):
    """The words of each nasforge command of a block, without comments."""
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if "nasforge" in words:
            yield words[words.index("nasforge") + 1 :]


@pytest.fixture
def python(tmp_path_factory):
    """An interpreter into which a block may install a package: what is installed here is installed there."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/python3*/site-packages")
    folders = [path for path in sys.path if path.endswith("site-packages")]
    (site / "shared.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in folders))
    return folder / "bin" / "python"


def run_in_shell(block, python, folder):
    others = SHELL.format(python=python, installer=sys.executable)
    (packages,) = python.parents[1].glob("lib/python3*/site-packages")
    with shell_function(python.parents[1], block.words, packages) as (nasforge_function, printed):
        shell = ["bash", "-euo", "pipefail", "-c", nasforge_function + others + block.code]
        done = subprocess.run(shell, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    texts = (*printed, done.stdout, done.stderr)
    assert done.returncode == 0, "\n".join([block.code, *(text[-4000:] for text in texts)])


def run_in_python(block, page, python, namespace):
    """Run a block in this process, which finds the packages that earlier blocks of the page have installed."""
    with pytest.MonkeyPatch.context() as patch:
        for folder in (*python.parents[1].glob("lib/python3*/site-packages"), *Path.cwd().glob("nasforge-*")):
            patch.syspath_prepend(folder)
        registry.cache_clear()
        exec(compile(block.code, f"{page.name}: {block.code.splitlines()[0]}", "exec"), namespace)
    registry.cache_clear()


def compose_and_build(code):
    """Check each command's configuration, of a sweep that of each job."""
    for words in commands(code):
        _, others = chosen_names(words, KINDS)  # which architecture to retrain is no part of the configuration
        overrides = [word for word in others if "=" in word and not word.startswith("-")]
        jobs = BasicSweeper.split_arguments(OverridesParser.create().parse_overrides(overrides), None)
        for job in (job for batch in jobs for job in batch):
            config = compose(job).config
            for kind in ("strategy", "space"):
                build(kind, config[kind])


def run_page(page, python):
    """Run the blocks of a page in the current folder; the names that its Python defines."""
    namespace = {"__name__": "__main__"}
    for block in blocks(page):
        if block.title:
            Path(block.title).parent.mkdir(parents=True, exist_ok=True)
            Path(block.title).write_text(block.code)
        elif block.mark == "not run":
            continue
        elif block.mark == "composed":
            compose_and_build(block.code)
        elif block.language == "sh":
            run_in_shell(block, python, Path.cwd())
        elif block.language == "python":
            run_in_python(block, page, python, namespace)
    return namespace


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem != "from_python"], ids=lambda page: page.stem)
def test_every_block_runs(page, python, here):
    run_page(page, python)


def test_what_from_python_shows_runs_from_top_to_bottom(python, here):
    names = run_page(DOCS / "from_python.md", python)
    assert names["outcome"].architecture == names["run"].architecture
    assert names["logits"].shape == (8, 10)
    assert sum(names["probabilities"].values()) == pytest.approx(1)
    assert len(names["evaluations"]) == 4
    assert len(names["last"]) == 3


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_says_what_it_is(page):
    """An unnamed language or an indented block would be left out silently."""
    outside = BLOCK.sub("", page.read_text())
    assert not re.findall(r"```", outside)
    assert not re.findall(r"(?<=\n\n) {4}\w[^\n]*", outside)
    for block in blocks(page):
        assert block.language in ("sh", "python", "text", "ini", "yaml")
        assert block.mark in ("run", "small", "composed", "not run")
        assert block.mark == "run" or block.words.strip()


def test_the_page_of_options_is_what_the_code_says(capsys):
    runpy.run_path(str(DOCS / "options.py"), run_name="__main__")
    remedy = "`python docs/options.py > docs/options.md` writes it again"
    assert (DOCS / "options.md").read_text() == capsys.readouterr().out, remedy


def test_the_reference_has_every_public_name():
    names = re.findall(r"^::: nasforge\.(\w+)$", (DOCS / "api.md").read_text(), re.MULTILINE)
    assert sorted(names) == nasforge.__all__


def test_every_page_is_in_the_menu():
    def paths(menu):
        for entry in menu:
            for content in entry.values():
                yield from paths(content) if isinstance(content, list) else [content]

    menu = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    notebooks = {f"{notebook.stem}.md" for notebook in DOCS.glob("*.ipynb")}
    assert notebooks | {page.name for page in PAGES} <= set(paths(menu))


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The space with shared weights of docs/plugins.md, as a module that other processes find too."""
    (code,) = [block.code for block in blocks(DOCS / "plugins.md") if "class Kernels(WeightSharing" in block.code]
    folder = tmp_path_factory.mktemp("shown")
    (folder / "shown_kernels.py").write_text(code)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        import shown_kernels

        yield shown_kernels


class TestKernels(SpaceContract):
    @pytest.fixture
    def space(self, shown):
        return shown.Kernels()


def test_the_page_on_retraining_explains_every_option_of_a_recipe():
    rows = re.findall(r"^\| (`[^|]*`) \|", (DOCS / "retraining.md").read_text(), re.MULTILINE)
    words = {word for row in rows for word in re.findall(r"`(\w+)=", row)}
    assert words >= set(DEFAULTS)
