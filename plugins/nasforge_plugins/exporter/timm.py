"""timm: a folder that `timm.create_model` reads, laid out as on the Hugging Face Hub, with a model card."""

from __future__ import annotations

import json
import platform
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from nasforge import Exporter, ExportError, FoundNetwork, quiet
from nasforge_plugins.exporter.python import execute, filled

PASSES = 50
"""How many forward passes the latency is the median of."""


class Timm(Exporter):
    """A folder for `timm.create_model("local-dir:PATH", pretrained=True)`, with a model card.

    timm builds only architectures that it knows, so that the folder has a module that registers this one.
    """

    name = "timm"
    packages: ClassVar[Mapping[str, str]] = {"timm": "'nasforge[timm]'"}

    def write(self, found: FoundNetwork, folder: Path) -> Sequence[Path]:
        """`NAME-timm/` with `config.json`, `model.safetensors`, `README.md` and `NAME.py`."""
        inside = _folder(folder, found)
        inside.mkdir(exist_ok=True)
        head, classifier = _head(found)
        settings = _settings(found, head)
        texts = {
            "README.md": _card(found),
            f"{found.name}.py": filled(
                "timm.py.jinja",
                found,
                model=f"Timm{found.plain.name}",
                settings={key: repr(value) for key, value in settings.items()},
                classes=len(found.classifier.class_names),
                channels=found.classifier.transform.input_shape[0],
                head=head,
            ),
            "config.json": json.dumps(
                {
                    "architecture": found.name,
                    "num_classes": len(found.classifier.class_names),
                    "num_features": classifier.in_features,
                    "label_names": found.classifier.class_names,
                    "pretrained_cfg": settings,
                },
                ensure_ascii=False,
                indent=2,
            ),
        }
        for name, text in texts.items():
            (inside / name).write_text(text, encoding="utf-8")
        weights = inside / "model.safetensors"
        save_file(dict(found.plain.weights), weights)
        weights.chmod((inside / "README.md").stat().st_mode)  # otherwise only its owner could read it
        return [inside / "README.md", inside / f"{found.name}.py", inside / "config.json", weights]

    def logits(self, folder: Path, found: FoundNetwork, pixels: Tensor) -> Tensor:
        """Import the module, and let timm build the network from the folder."""
        import timm

        inside = _folder(folder, found)
        module = ModuleType(found.name)
        sys.modules[found.name] = module  # where timm looks for what registers
        try:
            with quiet(), torch.no_grad():
                execute(inside / f"{found.name}.py", module)
                network = timm.create_model(f"local-dir:{inside}", pretrained=True).eval()
                logits: Tensor = network(found.classifier.transform(pixels))
        finally:
            del sys.modules[found.name]
        return logits


def _folder(folder: Path, found: FoundNetwork) -> Path:
    return folder / f"{found.name}-timm"


def _head(found: FoundNetwork) -> tuple[str, nn.Linear]:
    """The last linear layer, which timm replaces for other classes, and its name."""
    layers = [(name, module) for name, module in found.module.named_modules() if isinstance(module, nn.Linear)]
    if not layers or layers[-1][1].out_features != len(found.classifier.class_names):
        raise ExportError("--to timm needs a network whose last layer is linear, and this one has another")
    return layers[-1]


def _settings(found: FoundNetwork, head: str) -> dict[str, Any]:
    """What timm calls the configuration of pretrained weights."""
    transform = found.classifier.transform
    return {
        "num_classes": len(found.classifier.class_names),
        "input_size": transform.input_shape,
        "interpolation": transform.resampling,
        "crop_pct": transform.center,
        "mean": transform.mean,
        "std": transform.std,
        "classifier": head,
    }


def _card(found: FoundNetwork) -> str:
    names, transform = found.classifier.class_names, found.classifier.transform
    channels, height, width = transform.input_shape
    return filled(
        "card.md.jinja",
        found,
        latency=_latency(found),
        channels=channels,
        height=height,
        width=width,
        mean=", ".join(f"{value:.4f}" for value in transform.mean),
        std=", ".join(f"{value:.4f}" for value in transform.std),
        classes=len(names),
        class_names=", ".join(f"`{name}`" for name in names),
    )


def _latency(found: FoundNetwork) -> str:
    """How long an image takes here."""
    image, times = found.classifier.transform(found.pixels(1)), []
    with torch.inference_mode():
        for _ in range(PASSES):
            start = time.perf_counter()
            found.module(image)
            times.append(time.perf_counter() - start)
    milliseconds = 1000 * statistics.median(times)
    return (
        f"{milliseconds:.2f} ms for one image, the median of {PASSES}, with torch {torch.__version__} on "
        f"{torch.get_num_threads()} thread(s) of {platform.processor() or platform.machine()}"
    )
