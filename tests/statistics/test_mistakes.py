"""Which wrong predictions are kept, and that their pictures are those images."""

import base64
import io

import numpy as np
import torch
from PIL import Image

from nasforge.images import ImageSet
from nasforge.statistics.mistakes import MOST_KEPT, SIDE, pictured, wrong_ones


def test_a_position_and_a_prediction_of_each_wrong_one():
    assert wrong_ones(torch.tensor([[0, 0], [1, 2], [2, 2], [2, 0]])) == [[1, 2], [3, 0]]
    assert wrong_ones(torch.tensor([[0, 0]])) == []


def test_many_are_thinned_evenly():
    predicted = torch.zeros(400, 2, dtype=torch.int64)
    predicted[100:, 1] = 1
    positions = [position for position, _ in wrong_ones(predicted)]
    assert len(positions) == MOST_KEPT
    assert positions[0] == 100
    assert set(np.diff(positions)) == {12, 13}


def test_a_picture_holds_the_pixels_of_its_image():
    generator = torch.Generator().manual_seed(0)
    for channels in (1, 3):
        pixels = torch.randint(0, 256, (5, channels, 8, 6), generator=generator, dtype=torch.uint8)
        images = ImageSet.of(pixels, torch.tensor([0, 1, 1, 0, 1]))
        (mistake,) = pictured(images, [[3, 1]], ["cat", "dog"])
        assert (mistake.position, mistake.true_class, mistake.predicted_class) == (3, "cat", "dog")
        decoded = np.array(Image.open(io.BytesIO(base64.b64decode(mistake.png))))
        assert np.array_equal(decoded, pixels[3].squeeze(0) if channels == 1 else pixels[3].permute(1, 2, 0))
    large = ImageSet.of(torch.zeros(1, 3, 300, 200, dtype=torch.uint8), torch.tensor([0]))
    picture = Image.open(io.BytesIO(base64.b64decode(pictured(large, [[0, 1]], ["cat", "dog"])[0].png)))
    assert picture.size == (SIDE * 2 // 3, SIDE)
