"""From a folder of images of one's own to a file that classifies an image, as a user types it."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import nasforge
from nasforge.export.writing import lacking

CROSS, DISC, STRIPES = 'a "cross" <b>&amp;', "disc", "stra\u00dfe \u732b"
KINDS = {CROSS: 12, DISC: 9, STRIPES: 7}
FORMATS = ("python", "onnx", "torch", "timm")


def picture(kind, number):
    """A drawing of 20 x 24 pixels, RGB, with some noise."""
    rows, columns = np.mgrid[:20, :24]
    shapes = {
        CROSS: (abs(rows - 10) < 3) | (abs(columns - 12) < 3),
        DISC: (rows - 10) ** 2 + (columns - 12) ** 2 < 60,
        STRIPES: rows // 3 % 2 == 0,
    }
    noise = np.random.default_rng(number).integers(0, 60, (20, 24, 3))
    return Image.fromarray((180 * shapes[kind][..., None] + noise).astype(np.uint8))


@pytest.fixture
def photos(tmp_path):
    """Three classes of unequal size: images that are gray, have an alpha channel, are larger, and lie on their side."""
    root = tmp_path / "photos"
    for kind, count in KINDS.items():
        (root / kind).mkdir(parents=True)
        for number in range(count):
            image, path = picture(kind, number), root / kind / f"{number}.png"
            if (kind, number) == (CROSS, 0):
                image = image.convert("L")
            elif (kind, number) == (CROSS, 1):
                image = image.convert("RGBA")
            elif (kind, number) == (DISC, 0):
                image = image.resize((90, 75))
            if (kind, number) == (STRIPES, 0):
                turned, exif = image.transpose(Image.Transpose.ROTATE_90), Image.Exif()
                exif[0x0112] = 6  # the camera was held upright: viewers turn the image clockwise
                turned.save(path.with_suffix(".jpg"), exif=exif, quality=95)
            else:
                image.save(path)
    return root


def test_a_folder_of_images_becomes_a_python_file(photos, command, mistake, tmp_path):
    search = ("space=nasbench201", "strategy=random_search", "estimator=zero_cost", "budget.evaluations=2")
    scores = ("estimator.zero_cost.proxies=[synflow]", "estimator.zero_cost.batch_size=8")
    words = (*search, *scores, "data=image_folder", f"data.root={photos}", "data.image_size=8")
    (photos / DISC / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    says = mistake(*words)
    assert "1 of 29 image files cannot be used" in says
    assert str(photos / DISC / "broken.png") in says
    (photos / DISC / "broken.png").unlink()

    run = tmp_path / "run"
    sizes = ("retrain.channels=4", "retrain.cells=1", "retrain.epochs=2", "retrain.seeds=1", "retrain.random=1")
    status, _, complaint = command(*words, *sizes, f"hydra.run.dir={run}")
    assert status == 0, complaint
    longer = ("retrain.epochs=30", "retrain.batch_size=8")
    assert command("retrain", str(run), *longer)[0] == 0
    (retrained,) = run.glob("retrain-*")
    printed = command("export", str(run), "--to=python")[1]  # of the search itself
    assert f"{retrained} trained it for 30 epochs: nasforge export {retrained}" in printed
    formats = [name for name in FORMATS if not lacking(name)]
    status, printed, complaint = command("export", str(retrained), "--to", ",".join(formats))
    assert status == 0, complaint
    assert printed.count("same logits as the network") == len(formats)
    (code,) = (retrained / "export").glob("*.py")

    loaded = nasforge.load(retrained)
    paths = [photos / CROSS / "0.png", photos / CROSS / "1.png", photos / DISC / "0.png", photos / STRIPES / "0.jpg"]
    done = classified(code, *paths)
    assert (done.returncode, done.stderr) == (0, "")
    for path, line in zip(paths, done.stdout.splitlines(), strict=True):
        assert line.startswith(f"{path}: {path.parent.name} ")  # it has learned these training images
        name, probability = next(iter(loaded.predict(path).items()))
        assert f"{name} {100 * probability:.1f} %" in line
    done = classified(code, photos / DISC / "0.png", PYTHONIOENCODING="ascii")
    assert "stra?e ? " in done.stdout


def classified(code, *paths, **variables):
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", **variables}
    return subprocess.run(
        [sys.executable, code, *paths], capture_output=True, encoding="utf-8", check=False, env=environment
    )
