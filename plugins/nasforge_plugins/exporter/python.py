"""Source code: one file that needs torch and safetensors alone, with the weights beside it."""

from __future__ import annotations

import pprint
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any

import jinja2
import torch
from safetensors.torch import save_file
from torch import Tensor

from nasforge import CellGraph, Exporter, FoundNetwork


class Python(Exporter):
    """A readable `.py` with the found operations only, and the weights as safetensors.

    The file has `load()`, `prepare(image)` and `predict(image)`, and classifies the image files that it is given when
    it is run.
    """

    name = "python"
    by_default = True

    def write(self, found: FoundNetwork, folder: Path) -> Sequence[Path]:
        """`NAME.py` and `NAME.safetensors`."""
        code, weights = folder / f"{found.name}.py", folder / f"{found.name}.safetensors"
        code.write_text(source_file(found), encoding="utf-8")
        save_file(dict(found.plain.weights), weights)
        weights.chmod(code.stat().st_mode)  # otherwise only its owner could read it
        return code, weights

    def logits(self, folder: Path, found: FoundNetwork, pixels: Tensor) -> Tensor:
        """Import the file, and run the network that it loads on what it normalizes."""
        module: Any = ModuleType(found.name)
        execute(folder / f"{found.name}.py", module)
        with torch.no_grad():
            logits: Tensor = module.load()(module.normalize(pixels))
        return logits


def execute(path: Path, module: ModuleType) -> None:
    """Run a Python file as the code of a module. Unlike an import, it leaves no `__pycache__` beside the file."""
    module.__file__ = str(path)
    exec(compile(path.read_bytes(), path, "exec", dont_inherit=True), vars(module))


def source_file(found: FoundNetwork) -> str:
    """The whole text of the Python file."""
    transform = found.classifier.transform
    return filled(
        "network.py.jinja",
        found,
        classes=pprint.pformat(found.classifier.class_names, width=100, compact=True),
        shape=transform.input_shape,
        mean=transform.mean,
        std=transform.std,
        resampling=transform.resampling.upper(),
        bleed=(1 - transform.center) / 2,
        image_mode={1: "L", 3: "RGB"}.get(transform.input_shape[0]),
    )


def filled(template: str, found: FoundNetwork, **values: object) -> str:
    """The text of a template of this folder about a network; what it says of it may stand in a docstring."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    text = files(__package__).joinpath(template).read_text(encoding="utf-8")
    return environment.from_string(text).render(
        name=found.name,
        title=_quoted(found.title),
        facts={_quoted(key): _quoted(value) for key, value in found.facts.items()},
        cells=[(_quoted(graph.title), [_quoted(line) for line in node_lines(graph)]) for graph in found.cells],
        network=found.plain.name,
        source=found.plain.source,
        functional="F." in found.plain.source,
        **values,
    )


def node_lines(graph: CellGraph) -> Iterator[str]:
    """What each node of a cell is made of: `2 <- sep_conv_3x3(0), skip_connect(1)`."""
    for target, label in enumerate(graph.nodes):
        arriving = [(graph.nodes[source], name) for source, to, name in graph.edges if to == target]
        if arriving:
            yield f"{label} <- {', '.join(f'{name}({source})' if name else source for source, name in arriving)}"


def _quoted(text: str) -> str:
    """The text as it may stand in a docstring."""
    return text.replace("\\", "\\\\").replace('"""', "'''").replace("\n", " ")
