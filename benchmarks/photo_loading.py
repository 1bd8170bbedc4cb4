"""How fast photos of ImageNet's size are decoded and augmented, against torchvision's reference loader.

    python benchmarks/photo_loading.py [--images 512] [--workers 2] [--repeats 5]

The photos are made: smooth random fields of three scales with noise, 500 x 375 pixels, as JPEGs of quality 93. One
loader is that of `data=imagenet`, with flips, color jitter and normalization of whole batches in the main process; the
other is `ImageFolder` with the transforms of torchvision's reference recipe and Pillow, the default there, in a
`DataLoader`. Both read batches of 64 photos of 224 pixels with the same workers on this machine's CPUs, in turn, after
an epoch that does not count. Writes `benchmarks/results/photo_loading.md`.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from nasforge import FitData
from nasforge_plugins.data.imagenet import ImageNet
from reporting import parser, write

HEIGHT, WIDTH, BATCH, VAL = 375, 500, 64, 64
FIELDS = ((4, 60), (12, 40), (40, 25))
"""Random fields by their number of nodes per side and the deviation of their values."""
NOISE = 14
JITTER = (0.4, 0.4, 0.4, 0.2)


def photo(rng: np.random.Generator) -> Image.Image:
    pixels = 118 + rng.normal(0, NOISE, (HEIGHT, WIDTH, 1)) + rng.normal(0, NOISE / 3, (HEIGHT, WIDTH, 3))
    for nodes, deviation in FIELDS:
        for channel in range(3):
            field = Image.fromarray(rng.normal(0, deviation, (nodes, nodes)).astype(np.float32))
            pixels[..., channel] += np.asarray(field.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def make(root: Path, images: int) -> float:
    """Write the folder; return the mean size of a photo in kB."""
    rng, sizes = np.random.default_rng(0), []
    for number in range(images + VAL):
        file = root / ("train" if number < images else "val") / f"class{number % 4}" / f"{number}.JPEG"
        file.parent.mkdir(parents=True, exist_ok=True)
        photo(rng).save(file, quality=93)
        sizes.append(file.stat().st_size)
    return statistics.fmean(sizes) / 1_000


def nasforge_epochs(data: FitData) -> Callable[[int], int]:
    loader = data.loader(seed=0)

    def epoch(number: int) -> int:
        loader.sampler.set_epoch(number)  # type: ignore[union-attr]
        generator = torch.Generator().manual_seed(number)
        return sum(len(data.preprocessing.augment(images, generator)) for images, _ in loader)

    return epoch


def reference_epochs(root: Path, normalize: v2.Normalize, workers: int, jittered: bool) -> Callable[[int], int]:
    crops = [v2.RandomResizedCrop(224), v2.RandomHorizontalFlip(), *([v2.ColorJitter(*JITTER)] if jittered else [])]
    transform = v2.Compose([*crops, v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), normalize])
    loader = DataLoader(
        ImageFolder(str(root / "train"), transform), BATCH, shuffle=True, num_workers=workers, persistent_workers=True
    )
    return lambda _: sum(len(images) for images, _ in loader)


def rate(epoch: Callable[[int], int], number: int) -> float:
    """Images a second of one epoch."""
    began = time.perf_counter()
    return epoch(number) / (time.perf_counter() - began)


def compared(theirs: Callable[[int], int], mine: Callable[[int], int], repeats: int) -> str:
    for epoch in (theirs, mine):
        epoch(0)
    pairs = [(rate(theirs, number), rate(mine, number)) for number in range(1, repeats + 1)]
    ratio = statistics.median(fast / slow for slow, fast in pairs)
    slow, fast = (statistics.median(column) for column in zip(*pairs, strict=True))
    return f"{slow:.0f} | {fast:.0f} | {ratio:.2f} | {'yes' if ratio >= 0.9 else 'NO'}"


def levels_apart(root: Path, data: ImageNet) -> tuple[int, float]:
    """The largest and the mean difference of evaluation pictures from the reference's, in levels of 255."""
    transform = v2.Compose([v2.Resize(256), v2.CenterCrop(224), v2.PILToTensor()])
    theirs = torch.stack([image for image, _ in ImageFolder(str(root / "val"), transform)]).int()
    apart = (data.test[torch.arange(len(data.test))][0].int() - theirs).abs()
    return int(apart.max()), float(apart.float().mean())


def main() -> None:
    options = parser(__doc__, images=512, workers=2, repeats=5).parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as parent:
        root = Path(parent)
        size = make(root, options.images)
        lines = [
            "| training images of 224 pixels | torchvision, photos/s | data=imagenet, photos/s | ratio | 0.9 or more |",
            "| --- | --- | --- | --- | --- |",
        ]
        for name, jittered in (("random crop, flip", False), ("random crop, flip, color jitter", True)):
            choice = {"jitter": JITTER if jittered else (0.0,) * 4, "batch_size": BATCH, "workers": options.workers}
            data = ImageNet(root=root, **choice)
            fit = FitData(data.train, None, data.preprocessing, BATCH, options.workers)
            normalize = v2.Normalize(*data.normalization)
            theirs = reference_epochs(root, normalize, options.workers, jittered)
            lines.append(f"| {name} | {compared(theirs, nasforge_epochs(fit), options.repeats)} |")
        largest, mean = levels_apart(root, data)
    about = (
        f"{options.images} made photos (smooth random fields with noise) of {WIDTH} x {HEIGHT} pixels and {size:.0f} "
        f"kB on average, {options.workers} workers, medians of {options.repeats} pairs of epochs; the ratio is the "
        "median over the pairs. The machine was shared with other work, so only ratios mean something. Evaluation "
        "pictures (scaled to 256, cropped to 224) of "
        f"{VAL} other photos differ from torchvision's by at most {largest} of 255 levels, by {mean:.4f} on average."
    )
    write("photo_loading", "Decoding and augmenting photos", about, lines)


if __name__ == "__main__":
    main()
