"""ONNX: a file for ONNX Runtime and other engines, in float32 and on request also with 8-bit integers."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from nasforge import Exporter, FoundNetwork, quiet
from nasforge_plugins.exporter.program import program_of

IMAGES, LOGITS = "images", "logits"
BATCH = 128
"""How many images ONNX Runtime is given at once."""


class ONNX(Exporter):
    """An `.onnx` file whose metadata name the classes, for any number of images at once.

    Its input `images` is uint8 (B, C, H, W), and its output `logits` float32 (B, classes).

    Args:
        normalize: whether the file normalizes the pixels; otherwise `images` is float32 and already normalized, and
            the metadata have the mean and the deviation, of pixels in [0, 1].
        int8: whether to write a second file that computes with 8-bit integers. Ranges of activations are measured on
            training images; the test images tell how much accuracy that costs.
    """

    name = "onnx"
    by_default = True
    packages: ClassVar[Mapping[str, str]] = dict.fromkeys(("onnx", "onnxruntime", "onnxscript"), "'nasforge[onnx]'")

    def __init__(self, *, normalize: bool = True, int8: bool = False) -> None:
        self._normalize, self._int8 = normalize, int8

    def write(self, found: FoundNetwork, folder: Path) -> Sequence[Path]:
        """`NAME.onnx`, and with `int8` also `NAME.int8.onnx`."""
        exported = program_of(found, normalize=self._normalize)
        with quiet():
            program: Any = torch.onnx.export(
                exported, dynamo=True, verbose=False, input_names=[IMAGES], output_names=[LOGITS]
            )
        program.model.doc_string = found.title
        program.model.metadata_props.update(metadata(found))
        path = folder / f"{found.name}.onnx"
        program.save(path, external_data=False)
        if not self._int8:
            return [path]
        self._quantize(path, _int8_path(path), found)
        return path, _int8_path(path)

    def logits(self, folder: Path, found: FoundNetwork, pixels: Tensor) -> Tensor:
        """Run the float32 file in ONNX Runtime."""
        return self._network(folder / f"{found.name}.onnx", found)(pixels)

    def notes(self, folder: Path, found: FoundNetwork) -> Sequence[str]:
        """What the file with 8-bit integers costs in accuracy, on the test images."""
        if not self._int8:
            return ()
        path = folder / f"{found.name}.onnx"
        exactly, with_integers = (self._network(each, found) for each in (path, _int8_path(path)))
        answers = [
            (exactly(pixels).argmax(1), with_integers(pixels).argmax(1), labels) for pixels, labels in found.test()
        ]
        exact, rounded, labels = (torch.cat(each) for each in zip(*answers, strict=True))
        same = f"the same class as in float32 for {_share(rounded == exact)} of {len(labels):,} test images"
        right = f"; {_share(rounded == labels)} of them right, {_share(exact == labels)} in float32"
        return [f"8-bit integers: {same}{right if found.trained else ''}"]

    def _feed(self, found: FoundNetwork, pixels: Tensor) -> dict[str, Any]:
        return {IMAGES: (pixels if self._normalize else found.classifier.transform(pixels)).numpy()}

    def _network(self, path: Path, found: FoundNetwork) -> Callable[[Tensor], Tensor]:
        """What computes logits (B, classes) of pixels (B, C, H, W) with a file."""
        import onnxruntime

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

        def logits(pixels: Tensor) -> Tensor:
            batches = (session.run([LOGITS], self._feed(found, images))[0] for images in torch.split(pixels, BATCH))
            return torch.cat([torch.from_numpy(batch) for batch in batches])

        return logits

    def _quantize(self, path: Path, to: Path, found: FoundNetwork) -> None:
        from onnxruntime import quantization
        from onnxruntime.quantization.shape_inference import quant_pre_process

        class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]  # it has no types
            batches = iter([self._feed(found, images) for images in torch.split(found.calibration(), BATCH)])

            def get_next(self) -> Any:
                return next(self.batches, None)

        with tempfile.TemporaryDirectory() as folder, quiet():
            prepared = Path(folder) / path.name
            # ONNX's own inference of shapes suffices; the symbolic one is for transformers, and fails on some cells.
            quant_pre_process(path, prepared, skip_symbolic_shape=True)
            quantization.quantize_static(
                prepared, to, Reader(), quant_format=quantization.QuantFormat.QDQ, per_channel=True
            )


def metadata(found: FoundNetwork) -> dict[str, str]:
    """What the file says of itself; lists are JSON."""
    transform = found.classifier.transform
    lists = {"classes": found.classifier.class_names, "mean": transform.mean, "std": transform.std}
    texts = {name: json.dumps(value, ensure_ascii=False) for name, value in lists.items()}
    return {"title": found.title, **texts, **found.facts}


def _int8_path(path: Path) -> Path:
    return path.with_suffix(".int8.onnx")


def _share(right: Tensor) -> str:
    return f"{right.double().mean():.2%}".replace("%", " %")
