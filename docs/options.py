"""Print docs/options.md: every option, from the comments of conf/**/*.yaml and the annotations of constructors.

python docs/options.py > docs/options.md
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from nasforge.experiment.parts import Control
from nasforge.experiment.retraining import Retraining
from nasforge.experiment.trainer_options import TrainerOptions
from nasforge.registry.entry_points import CONTRACTS, registry
from nasforge.registry.options import described
from nasforge.run.resources import Budget

CONF = Path(__file__).resolve().parents[1] / "conf"
LINE = re.compile(r"(?P<indent> *)(?P<key>[a-z_0-9]+):(?: +(?P<value>[^#\s].*?))?(?: +# (?P<comment>.*))?")
TEXT = """\
# Every option

`python docs/options.py` prints this page from the configuration files and from the constructors' annotations, and a
test compares the two. `nasforge --cfg job` prints the options of one run with their values, and `nasforge --cfg job
strategy=NAME` those of another strategy. Every option is a word of the command line (`strategy.epochs=20`) and an
argument in Python (`nasforge.search("darts", **{"strategy.epochs": 20})`).
"""
SECTIONS = {"budget": Budget, "control": Control, "retrain": Retraining}
GROUPS = {
    "strategy": "Strategies",
    "space": "Search spaces",
    "estimator": "Estimators",
    "data": "Data",
    "trainer": "Trainers",
    "executor": "Executors",
    "logger": "Loggers",
    "callbacks": "Callbacks",
}


@dataclass
class Option:
    """A line of a YAML file: its dotted key, its default and its comment."""

    key: str
    value: str
    comment: str


def introduction(path: Path) -> str:
    """The comment at the beginning of a file."""
    lines = []
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# @package"):
            lines.append(line.removeprefix("#").strip())
    return " ".join(lines)


def options(path: Path) -> Iterator[Option]:
    """The options of a file, in its order, without the lists that Hydra reads."""
    groups: list[str] = []
    latest = None
    for line in path.read_text().splitlines():
        match = LINE.fullmatch(line)
        if match:
            groups = [*groups[: len(match["indent"]) // 2], match["key"]]
            if latest:
                yield latest
            latest = Option(".".join(groups), match["value"] or "", match["comment"] or "")
        elif latest and line.strip().startswith("# "):
            latest.comment += " " + line.strip().removeprefix("# ")
        elif latest and line.strip().startswith("- "):
            latest.value += ("," if latest.value else "") + line.strip().removeprefix("- ")
    if latest:
        yield latest


def shown(path: Path) -> list[Option]:
    """The options that a person sets: no lists of defaults, no names, none of Hydra's own."""
    return [option for option in options(path) if option.key.split(".")[0] not in ("defaults", "name", "hydra")]


def annotation(cls: type[Any], key: str) -> Any:
    """The annotation of an option of a constructor, also inside a group; None if it is a group or unknown."""
    first, _, rest = key.partition(".")
    hints = get_type_hints(cls if is_dataclass(cls) else cls.__init__, include_extras=True)
    if first not in hints:
        return None
    if rest:
        return annotation(hints[first], rest) if inspect.isclass(hints[first]) else None
    return None if is_dataclass(hints[first]) else hints[first]


def accepted(cls: type[Any] | None, key: str) -> str:
    """What an option accepts, in words."""
    section, _, rest = key.partition(".")
    if cls is None and rest:
        cls, key = SECTIONS.get(section), rest
    known = None if cls is None else annotation(cls, key)
    return "" if known is None else described(known)


def table(prefix: str, lines: list[Option], cls: type[Any] | None) -> str:
    """The options in Markdown."""
    rows = [["option", "default", "accepts", "meaning"], ["---"] * 4]
    for option in lines:
        value = f"`{option.value}`" if option.value else ""
        cells = [f"`{prefix}{option.key}`", value, accepted(cls, option.key), option.comment]
        rows.append([cell.replace("|", "\\|") for cell in cells])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def section(kind: str, path: Path) -> str:
    """A member of a group: its heading, its introduction and its options."""
    content: Mapping[str, Any] = yaml.safe_load(path.read_text())
    name = content.get("name")
    cls = registry(kind)[str(name)] if kind in CONTRACTS and name else None
    cls = TrainerOptions if kind == "trainer" else cls
    text = introduction(path) or (inspect.getdoc(cls) or "").split("\n")[0]
    prefix = {"estimator": f"estimator.{name}.", "space": "space."}.get(kind, f"{kind}.")
    lines = shown(path)
    if name and name != path.stem and (path.parent / f"{name}.yaml").exists():
        main = {option.key: option.value for option in shown(path.parent / f"{name}.yaml")}
        lines = [option for option in lines if main.get(option.key) != option.value]
        text += f" The options are those of `{kind}={name}`; these have other values:"
    heading = f"### `{kind}={path.stem}`"
    return "\n\n".join(part for part in (heading, text, table(prefix, lines, cls) if lines else "") if part)


def experiments() -> str:
    """The experiments, one line each."""
    rows = [["`+experiment=`", "what it runs"], ["---"] * 2]
    rows += [[f"`{path.stem}`", introduction(path)] for path in sorted((CONF / "experiment").glob("*.yaml"))]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def page() -> str:
    """The whole page."""
    parts = [TEXT, "## Of every run", table("", shown(CONF / "config.yaml"), None)]
    for kind, title in GROUPS.items():
        parts += [f"## {title}", *(section(kind, path) for path in sorted((CONF / kind).glob("*.yaml")))]
    return "\n\n".join([*parts, "## Experiments", experiments()])


if __name__ == "__main__":
    print(page())
