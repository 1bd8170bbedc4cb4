"""`nasforge new-plugin`: write a complete and working package for an author to change."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from packaging.version import Version

from nasforge import __all__ as public_names, __version__
from nasforge.errors import OptionError
from nasforge.registry.entry_points import CONTRACTS, registry
from nasforge.registry.places import user_path

TEMPLATES = Path(__file__).parent / "templates" / "new_plugin"
"""Templates of a package's files; `package` and NAME in their paths stand for its module and its plug-ins' name."""
_NUMBERS = {"nan", "inf"}
"""Words that YAML reads as text, but the command line as numbers."""
LONGEST = 36
"""Most characters of a name, so that template lines that contain it twice have at most 120."""
SUPERNET = "supernet"
"""The word for a space with shared weights."""
WORDS = (*CONTRACTS, SUPERNET)
_KINDS = {"space": "a space", "strategy": "a strategy", "estimator": "an estimator", "data": "a data module"}
_KINDS[SUPERNET] = "a space with shared weights"
USAGE = "nasforge new-plugin NAME [space or supernet] [strategy] [estimator] [data] [in=FOLDER]"


def new_plugin(words: Sequence[str]) -> int:
    """Run the command: write the package, and print the next commands."""
    package, place = _read(words)
    if not place.is_dir():
        raise OptionError(f"in={place}: there is no such folder")
    folder = place / package.distribution
    if folder.exists():
        raise OptionError(f"{folder} exists already; choose another name, or another folder with in=FOLDER")
    package.check_free()
    for path, text in package.files().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    print(_next_steps(package, folder))
    return 0


@dataclass(frozen=True)
class Package:
    """A package to write.

    Attributes:
        name: name of its plug-ins on the command line: `hill_climb`.
        kinds: kinds of plug-in, in the order of `CONTRACTS`.
        shares_weights: whether its space shares weights.
    """

    name: str
    kinds: tuple[str, ...]
    shares_weights: bool = False

    @property
    def distribution(self) -> str:
        """The name for pip and for the folder: `nasforge-hill-climb`."""
        return f"nasforge-{self.name.replace('_', '-')}"

    @property
    def module(self) -> str:
        """The name for Python: `nasforge_hill_climb`."""
        return f"nasforge_{self.name}"

    @cached_property
    def classes(self) -> Mapping[str, str]:
        """The names of its classes by kind: `HillClimbStrategy`."""
        camel = "".join(part.capitalize() for part in self.name.split("_"))
        return {kind: camel + kind.capitalize() for kind in self.kinds}

    @cached_property
    def words(self) -> list[str]:
        """Arguments of a search that uses its plug-ins and takes seconds."""
        names = dict.fromkeys(self.kinds, self.name)
        space, data = f"space={names.get('space', 'nasbench201')}", [f"data={self.name}"] if "data" in names else []
        if self.shares_weights and not {"strategy", "estimator"} & set(names):
            return ["strategy=egnas", space, *data, "strategy.epochs=3"]
        strategy, estimator = names.get("strategy", "random_search"), names.get("estimator", "training")
        return [f"strategy={strategy}", space, f"estimator={estimator}", *data, "budget.evaluations=8"]

    def check_free(self) -> None:
        """Raise an `OptionError` if an installed package or a public name of nasforge has the name already."""
        for kind in self.kinds:
            if self.classes[kind] in public_names:
                raise OptionError(
                    f"the class of {kind} '{self.name}' would have the name {self.classes[kind]}, which nasforge "
                    "uses; choose another name"
                )
            if claims := registry(kind).plugins.get(self.name):
                raise OptionError(
                    f"{kind} '{self.name}' is already installed, from {claims[0].package} {claims[0].version}; "
                    "choose another name"
                )
            if (files("nasforge.conf") / kind / f"{self.name}.yaml").is_file():
                raise OptionError(f"{kind}={self.name} is already a configuration of nasforge; choose another name")
        if find_spec(self.module) is not None:
            raise OptionError(f"a package {self.module} is already installed; choose another name")

    def files(self) -> Mapping[PurePosixPath, str]:
        """Return the files' contents by path in the package's folder."""
        environment = Environment(
            loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False
        )
        contents, unwanted = {}, set(WORDS) - set(self.kinds)
        if self.shares_weights:
            unwanted = unwanted - {SUPERNET} | {"space"}
        for template in sorted(TEMPLATES.rglob("*.jinja")):
            path = PurePosixPath(template.relative_to(TEMPLATES).as_posix())
            if set(re.split(r"[/._]", str(path))) & unwanted:
                continue
            contents[self._placed(path)] = environment.get_template(str(path)).render(self._terms())
        return contents

    def _placed(self, template: PurePosixPath) -> PurePosixPath:
        parts = [part.replace(SUPERNET, "space") for part in template.with_suffix("").parts]
        parts = [part.replace("dot-", ".").replace("NAME", self.name) for part in parts]
        return PurePosixPath(*(self.module if part == "package" else part for part in parts))

    def _terms(self) -> Mapping[str, Any]:
        return {
            "name": self.name,
            "package": self.distribution,
            "module": self.module,
            "kinds": self.kinds,
            "classes": self.classes,
            "requirement": requirement(__version__),
            "command": _command(self),
        }


def requirement(version: str) -> str:
    """Return the releases of nasforge with the contracts of `version`: `>=0.1,<0.2`, or `>=1.4,<2` from 1.0 up."""
    major, minor = Version(version).release[:2]
    return f">={major}.{minor},<{major + 1}" if major else f">=0.{minor},<0.{minor + 1}"


def _read(words: Sequence[str]) -> tuple[Package, Path]:
    """Parse the command's arguments: the package, and the folder to write it to."""
    names = [word for word in words if "=" not in word and word not in WORDS]
    kinds = ["space" if word == SUPERNET else word for word in words if word in WORDS]
    options = dict(word.split("=", 1) for word in words if "=" in word)
    if other := [key for key in options if key != "in"]:
        raise OptionError(f"new-plugin has no option {other[0]}=; {USAGE}")
    if not names:
        raise OptionError(f"new-plugin needs a name: {USAGE}")
    if len(names) > 1:
        raise OptionError(f"new-plugin takes one name, and kinds ({', '.join(WORDS)}), not '{names[1]}'; {USAGE}")
    if {"space", SUPERNET} <= set(words):
        raise OptionError(f"supernet is a space with shared weights, so omit space; {USAGE}")
    wanted = tuple(kind for kind in CONTRACTS if kind in kinds) or ("strategy",)
    return Package(_plain(names[0]), wanted, SUPERNET in words), user_path(options.get("in", "."))


def _plain(name: str) -> str:
    """Return `hill_climb` for nasforge-hill-climb, hill-climb or hill_climb; an `OptionError` for an invalid name."""
    short = re.sub(r"^nasforge[-_]", "", name)
    if re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", short):
        _check_plain(short)
        return short.replace("-", "_")
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", short)
    nearest = re.sub(r"[^a-z0-9]+", "-", spaced.lower()).strip("-0123456789")
    raise OptionError(
        f"'{name}' cannot be a plug-in's name; use lower-case letters, digits and single dashes, a letter first, "
        f"for example {nearest or 'hill-climb'}"
    )


def _check_plain(name: str) -> None:
    """Raise an `OptionError` unless YAML and the command line read the name as text, and it is short enough."""
    if len(name) > LONGEST:
        raise OptionError(f"'{name}' has {len(name)} characters; a name has at most {LONGEST}")
    if name in _NUMBERS or not isinstance(yaml.safe_load(name), str):
        raise OptionError(f"'{name}' cannot be a plug-in's name: YAML or the command line misreads it; try my-{name}")


def _command(package: Package) -> str:
    return " ".join(["nasforge", *package.words, "retrain.epochs=1"])


def _next_steps(package: Package, folder: Path) -> str:
    *others, last = [_KINDS[SUPERNET if kind == "space" and package.shares_weights else kind] for kind in package.kinds]
    kinds = f"{', '.join(others)} and {last}" if others else last
    first = package.kinds[0]
    more = [word for word in WORDS if word not in package.kinds and (word != SUPERNET or "space" not in package.kinds)]
    lines = [
        f"{folder} is a working package with {kinds}. Next:",
        "",
        f"  cd {shlex.quote(str(folder))}",
        "  pip install -e '.[dev]'",
        "  pytest                    # its tests, and the suites that every plug-in must pass",
        "  nasforge list --check     # check that it is found and works",
        f"  {_command(package)}",
        "",
        f"Then change it: {package.module}/{first}.py is the code, conf/{first}/{package.name}.yaml beside it has the",
        "options, and README.md describes the other files.",
    ]
    return "\n".join([*lines, *([f"To write more kinds, add their names: {', '.join(more)}."] if more else [])])
