"""From a folder of images of one's own to a file that classifies an image, as a user types it."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import nasforge

KINDS = {"cross": 12, "disc": 9, "stripes": 7}


def picture(kind, number):
    """A drawing of 20 x 24 pixels, RGB, with some noise."""
    rows, columns = np.mgrid[:20, :24]
    shapes = {
        "cross": (abs(rows - 10) < 3) | (abs(columns - 12) < 3),
        "disc": (rows - 10) ** 2 + (columns - 12) ** 2 < 60,
        "stripes": rows // 3 % 2 == 0,
    }
    noise = np.random.default_rng(number).integers(0, 60, (20, 24, 3))
    return Image.fromarray((180 * shapes[kind][..., None] + noise).astype(np.uint8))


@pytest.fixture
def photos(tmp_path):
    """Three classes of unequal size: one image is gray, one has an alpha channel, one lies on its side."""
    root = tmp_path / "photos"
    for kind, count in KINDS.items():
        (root / kind).mkdir(parents=True)
        for number in range(count):
            image, path = picture(kind, number), root / kind / f"{number}.png"
            if (kind, number) == ("cross", 0):
                image = image.convert("L")
            elif (kind, number) == ("cross", 1):
                image = image.convert("RGBA")
            if (kind, number) == ("stripes", 0):
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
    (photos / "disc" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    says = mistake(*words)
    assert "1 of 29 image files cannot be used" in says
    assert str(photos / "disc" / "broken.png") in says
    (photos / "disc" / "broken.png").unlink()

    run = tmp_path / "run"
    sizes = ("retrain.channels=4", "retrain.cells=1", "retrain.epochs=2", "retrain.seeds=1", "retrain.random=1")
    status, _, complaint = command(*words, *sizes, f"hydra.run.dir={run}")
    assert status == 0, complaint
    longer = ("retrain.epochs=30", "retrain.batch_size=8")
    assert command("retrain", str(run), *longer)[0] == 0
    (retrained,) = run.glob("retrain-*")
    assert command("export", str(retrained), "--to=python")[0] == 0
    (code,) = (retrained / "export").glob("*.py")

    loaded = nasforge.load(retrained)
    for path in (photos / "cross" / "0.png", photos / "cross" / "1.png", photos / "stripes" / "0.jpg"):
        done = subprocess.run([sys.executable, code, path], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"{path}: {path.parent.name} ")  # it has learned these training images
        name, probability = next(iter(loaded.predict(path).items()))
        assert f"{name} {100 * probability:.1f} %" in done.stdout
